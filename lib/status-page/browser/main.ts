import type { Start, StatusPageAction } from '../messages.js';
import { byId, setText } from './dom.js';
import { visible } from './format.js';
import { JobsView } from './jobs-view.js';
import { Live } from './live.js';
import { OverviewView } from './overview-view.js';
import { RemovalQuestion } from './removal-question.js';
import { RepositoriesView } from './repositories-view.js';
import { act, getRepositories, getStart, RequestFailure } from './requests.js';
import { queryOf, readSelection, type Selection, writeSelection } from './selection.js';

/** Milliseconds after a key before the filter is applied. */
const TYPING = 150;
/** Milliseconds after a change before the rows are requested again. */
const RELOAD_DELAY = 1_000;
/** Milliseconds after a failed start before the next attempt. */
const RETRY = 5_000;
/** Milliseconds between updates of ages. */
const TICK = 1_000;

const connection = byId('connection', HTMLElement);
const notice = byId('notice', HTMLElement);
const question = new RemovalQuestion();

function showConnection(state: 'live' | 'polling' | 'cut', text: string): void {
  connection.dataset.state = state;
  setText(connection, text);
}

function showNotice(text: string): void {
  notice.hidden = text === '';
  setText(notice, text);
}

function sayFailure(error: unknown): void {
  if (!(error instanceof RequestFailure)) throw error;
  showNotice(visible(error.message));
  showConnection('cut', error.isSignedOut ? 'Signed out' : 'Not connected');
}

async function copy(text: string, button: HTMLElement): Promise<void> {
  const label = button.textContent ?? '';
  try {
    // Browsers have no clipboard for pages that came without HTTPS.
    if (navigator.clipboard === undefined) copyBySelection(text);
    else await navigator.clipboard.writeText(text);
    setText(button, 'Copied');
  } catch {
    setText(button, 'Not copied');
  }
  setTimeout(() => setText(button, label), 1_500);
}

function copyBySelection(text: string): void {
  const focused = document.activeElement;
  const area = document.createElement('textarea');
  area.value = text;
  area.className = 'hidden-text';
  document.body.append(area);
  area.select();
  const isCopied = document.execCommand('copy');
  area.remove();
  if (focused instanceof HTMLElement) focused.focus();
  if (!isCopied) throw new Error('the browser does not copy');
}

async function begin(action: StatusPageAction, name: string): Promise<void> {
  if (action === 'remove' && !(await question.ask(name))) return;
  await act(action, name)
    .then(() => showNotice(''))
    .catch((error: unknown) => {
      if (!(error instanceof RequestFailure)) throw error;
      showNotice(visible(error.message));
    });
}

function run({ overview, actions, snapshotsUrl }: Start): void {
  const overviewView = new OverviewView();
  const jobsView = new JobsView();
  let selection = readSelection();
  let request = new AbortController();
  let typing: ReturnType<typeof setTimeout> | undefined;
  let loading: ReturnType<typeof setTimeout> | undefined;

  const load = async () => {
    request.abort();
    request = new AbortController();
    const { signal } = request;
    try {
      const page = await getRepositories(queryOf(selection), signal);
      repositories.show(page);
      overviewView.showStates(page);
      showNotice('');
      if (page.listedAt === undefined) loadSoon();
    } catch (error) {
      if (!signal.aborted) sayFailure(error);
    }
  };
  /** Many changes come at once: they are shown together. */
  const loadSoon = () => {
    if (loading !== undefined) return;
    loading = setTimeout(() => {
      loading = undefined;
      void load();
    }, RELOAD_DELAY);
  };
  const select = (selected: Selection) => {
    const isTyping = selected.filter !== selection.filter;
    selection = selected;
    writeSelection(selection);
    clearTimeout(typing);
    typing = setTimeout(() => void load(), isTyping ? TYPING : 0);
  };
  const context = {
    actions,
    snapshotsUrl,
    act: (action: StatusPageAction, name: string) => void begin(action, name),
    copy: (text: string, button: HTMLElement) => void copy(text, button),
  };
  const repositories = new RepositoriesView(selection, context, select);
  const show = (shown: Start['overview']) => {
    overviewView.show(shown);
    jobsView.show(shown);
  };
  show(overview);
  setInterval(() => {
    jobsView.tick();
    repositories.tick();
  }, TICK);

  let isLive = false;
  new Live({
    overviewChanged: show,
    rowsChanged(change) {
      repositories.change(change);
      if (change.reload || change.removed.length > 0 || repositories.lacks(change)) loadSoon();
    },
    poll() {
      if (!isLive) {
        getStart()
          .then(({ overview: polled }) => {
            show(polled);
            if (!isLive) showConnection('polling', 'Updated every 5 seconds');
          })
          .catch(sayFailure);
      }
      void load();
    },
    connected(nowLive) {
      isLive = nowLive;
      if (isLive) showConnection('live', 'Live');
      else showConnection('cut', 'Reconnecting…');
    },
  });
}

async function start(): Promise<void> {
  try {
    run(await getStart());
  } catch (error) {
    sayFailure(error);
    if (error instanceof RequestFailure && !error.isSignedOut)
      setTimeout(() => void start(), RETRY);
  }
}

void start();
