import { type SurveyedMirror, surveyMirror } from '../disk/survey.js';

export interface SurveyTask {
  readonly kind: 'survey';
  /** Paths. */
  readonly mirrors: readonly string[];
}

export interface SurveyResult {
  readonly kind: 'survey';
  /** In the order of the task. `undefined`: it needs a closer look. */
  readonly mirrors: readonly (SurveyedMirror | undefined)[];
}

export function surveyMirrors({ mirrors }: SurveyTask): SurveyResult {
  return { kind: 'survey', mirrors: mirrors.map(surveyMirror) };
}
