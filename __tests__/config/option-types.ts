import type { z } from 'zod';
import type { FreshnessOptions } from '../../lib/config/freshness-options.js';
import type { HostOptions } from '../../lib/config/host-options.js';
import type { BudgetOptions, LimitOptions } from '../../lib/config/limit-options.js';
import type { RouterOptions, SnapshotOptions } from '../../lib/config/router-options.js';
import type {
  budgetsSchema,
  concurrencySchema,
  freshnessSchema,
  hostSchema,
  limitsSchema,
  routerSchema,
  serviceSchema,
  snapshotOptionsSchema,
  snapshotSchema,
  timeoutsSchema,
} from '../../lib/config/schema.js';
import type { ServiceOptions, SnapshotFormatOptions } from '../../lib/config/service-options.js';
import type { ConcurrencyOptions, TimeoutOptions } from '../../lib/config/work-options.js';

/*
 * The typecheck is the test: it fails if the interface of some options and its schema differ, in a name, in a type,
 * in what is optional or in what is readonly.
 */

type Same<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
type Expect<T extends true> = T;

export type EachSchemaTakesItsInterface = [
  Expect<Same<z.input<typeof hostSchema>, HostOptions>>,
  Expect<Same<z.input<typeof freshnessSchema>, FreshnessOptions>>,
  Expect<Same<z.input<typeof concurrencySchema>, ConcurrencyOptions>>,
  Expect<Same<z.input<typeof timeoutsSchema>, TimeoutOptions>>,
  Expect<Same<z.input<typeof limitsSchema>, LimitOptions>>,
  Expect<Same<z.input<typeof budgetsSchema>, BudgetOptions>>,
  Expect<Same<z.input<typeof snapshotSchema>, SnapshotFormatOptions>>,
  Expect<Same<z.input<typeof serviceSchema>, ServiceOptions>>,
  Expect<Same<z.input<typeof routerSchema>, RouterOptions>>,
  Expect<Same<z.input<typeof snapshotOptionsSchema>, Plain<SnapshotOptions>>>,
];

/** An intersection as one object type. */
type Plain<T> = { [Name in keyof T]: T[Name] };

type Limits = z.input<typeof limitsSchema>;

export type EachDifferenceIsFound = [
  // @ts-expect-error the schema has an option too many
  Expect<Same<Limits & { readonly more?: number }, LimitOptions>>,
  // @ts-expect-error the interface has an option too many
  Expect<Same<Limits, Plain<LimitOptions & { readonly more?: number }>>>,
  // @ts-expect-error the interface has an option of another type
  Expect<Same<Limits, Plain<Omit<LimitOptions, 'maxFiles'> & { readonly maxFiles?: string }>>>,
  // @ts-expect-error the interface demands its options
  Expect<Same<Limits, Required<LimitOptions>>>,
  // @ts-expect-error the interface lets its options be changed
  Expect<Same<Limits, { -readonly [Name in keyof LimitOptions]: LimitOptions[Name] }>>,
];

export const hosts = ['github.com', 'gitlab.com'] as const satisfies ServiceOptions['hosts'];
