/**
 * Settings: the lending policy as people set it, key by key, as the configuration has it and as `linepool lend` changes
 * it. Pure: what can't be is refused here, with the key, the value and what it must be. Used by the steward.
 * It must never make a policy of settings that contradict each other.
 */

import { LinepoolError } from '../core/errors.ts';
import { hoursComplaint, parseHours } from '../core/hours.ts';
import type { Bytes, BytesPerSecond } from '../core/units.ts';
import { hostComplaint } from './destinations.ts';
import { type LendPolicy, type NeighbourTerms, type Pause, USUAL_TERMS } from './policy.ts';

/** By the names of the configuration's section `lend`. */
export interface LendSettings {
  readonly enabled: boolean;
  readonly share_percent: number;
  /** Undefined: as down. */
  readonly share_percent_up: number | undefined;
  readonly rate: BytesPerSecond | undefined;
  readonly rate_up: BytesPerSecond | undefined;
  readonly keep: BytesPerSecond | undefined;
  readonly keep_up: BytesPerSecond | undefined;
  readonly hours: readonly string[];
  readonly quota_day: Bytes | undefined;
  readonly quota_month: Bytes | undefined;
  readonly weight_min: number;
  readonly weight_max: number;
  readonly ports: readonly number[];
  readonly deny_hosts: readonly string[];
}

export type LendKey = keyof LendSettings;

/** What one setting can be; `none` says that there is no such limit, whatever the configuration says. */
export type SettingValue = boolean | number | string | readonly string[] | readonly number[];
export const NONE = 'none';

/** Of one neighbour; a key that is missing is as the configuration has it, or as usual. */
export interface NeighbourSettings {
  readonly allow?: boolean | undefined;
  readonly weight?: number | undefined;
  readonly rate?: BytesPerSecond | typeof NONE | undefined;
  readonly rate_up?: BytesPerSecond | typeof NONE | undefined;
  readonly quota_day?: Bytes | typeof NONE | undefined;
  readonly quota_month?: Bytes | typeof NONE | undefined;
}

export type NeighbourKey = keyof NeighbourSettings;

/** What was set live. It overrides the configuration, and is kept over restarts. */
export interface Overrides {
  readonly set: Readonly<Record<string, SettingValue>>;
  readonly pause: Pause;
  /** By id. */
  readonly neighbours: Readonly<Record<string, NeighbourSettings>>;
}

export const NO_OVERRIDES: Overrides = { set: {}, pause: { kind: 'none' }, neighbours: {} };

type Check = (value: unknown) => string | undefined;

const WEIGHT = { least: 0.1, most: 10 } as const;
const numberFrom =
  (least: number, most: number, what: string): Check =>
  (value) =>
    typeof value === 'number' && value >= least && value <= most
      ? undefined
      : `must be ${what} from ${least} to ${most}`;
const trueOrFalse: Check = (value) => (typeof value === 'boolean' ? undefined : 'must be true or false');
const percent = numberFrom(0, 100, 'a percentage');
const weight = numberFrom(WEIGHT.least, WEIGHT.most, 'a number');
const amount =
  (what: string): Check =>
  (value) =>
    typeof value === 'number' && value >= 0 && Number.isFinite(value)
      ? undefined
      : `must be ${what}, 0 or more`;
const rate = amount('a rate in bytes per second');
const size = amount('a number of bytes');
const orNone =
  (check: Check): Check =>
  (value) => {
    const complaint = value === NONE ? undefined : check(value);
    return complaint === undefined ? undefined : `${complaint}, or "${NONE}"`;
  };
const hours: Check = (value) =>
  Array.isArray(value) && value.every((one) => typeof one === 'string')
    ? hoursComplaint(value)
    : 'must be a list of texts such as "01:00-06:00 100 %"';

const ports: Check = (value) =>
  Array.isArray(value) && value.every((one) => Number.isInteger(one) && one >= 1 && one <= 65_535)
    ? undefined
    : 'must be a list of ports from 1 to 65535';
const hosts: Check = (value) =>
  Array.isArray(value) && value.every((one) => typeof one === 'string')
    ? hostComplaint(value)
    : 'must be a list of names, addresses and networks';

const CHECKS: Readonly<Record<LendKey, Check>> = {
  enabled: trueOrFalse,
  share_percent: percent,
  share_percent_up: percent,
  rate: orNone(rate),
  rate_up: orNone(rate),
  keep: orNone(rate),
  keep_up: orNone(rate),
  hours,
  quota_day: orNone(size),
  quota_month: orNone(size),
  weight_min: weight,
  weight_max: weight,
  ports,
  deny_hosts: hosts,
};

const NEIGHBOUR_CHECKS: Readonly<Record<NeighbourKey, Check>> = {
  allow: trueOrFalse,
  weight,
  rate: orNone(rate),
  rate_up: orNone(rate),
  quota_day: orNone(size),
  quota_month: orNone(size),
};

export const LEND_KEYS = Object.keys(CHECKS) as readonly LendKey[];
export const NEIGHBOUR_KEYS = Object.keys(NEIGHBOUR_CHECKS) as readonly NeighbourKey[];

/** The settings that hold: those of the configuration, under what was set live. */
export function settingsOf(configured: LendSettings, { set }: Overrides): LendSettings {
  const entries = Object.entries(set).map(([key, value]) => [key, value === NONE ? undefined : value]);
  return { ...configured, ...(Object.fromEntries(entries) as Partial<LendSettings>) };
}

/**
 * The policy of these settings; `terms`: what the configuration says of single neighbours, by id.
 * @throws LinepoolError `policy_invalid`, naming each key that is wrong, its value and what it must be
 */
export function policyOf(
  configured: LendSettings,
  overrides: Overrides,
  terms: Readonly<Record<string, NeighbourSettings>> = {},
): LendPolicy {
  const complaints = [
    ...Object.entries(overrides.set).map(([key, value]) => complaint('lend', CHECKS, key, value)),
    ...Object.entries(overrides.neighbours).flatMap(([id, terms]) =>
      Object.entries(terms).map(([key, value]) =>
        value === undefined ? undefined : complaint(`lend.neighbours.${id}`, NEIGHBOUR_CHECKS, key, value),
      ),
    ),
  ].filter((one) => one !== undefined);
  const settings = settingsOf(configured, overrides);
  if (complaints.length === 0 && settings.weight_min > settings.weight_max) {
    complaints.push(
      `lend.weight_min = ${settings.weight_min} must not be above lend.weight_max = ${settings.weight_max}`,
    );
  }
  if (complaints.length > 0) throw new LinepoolError('policy_invalid', complaints.join('; '));
  return {
    enabled: settings.enabled,
    percent: { down: settings.share_percent, up: settings.share_percent_up },
    hours: settings.hours.flatMap((text) => parseHours(text) ?? []),
    rate: { down: settings.rate, up: settings.rate_up },
    keep: { down: settings.keep ?? 0, up: settings.keep_up ?? 0 },
    quota: { day: settings.quota_day, month: settings.quota_month },
    reciprocity: { min: settings.weight_min, max: settings.weight_max },
    pause: overrides.pause,
    neighbours: new Map(
      Object.keys({ ...terms, ...overrides.neighbours }).map((id) => [
        id,
        termsOf({ ...terms[id], ...defined(overrides.neighbours[id]) }),
      ]),
    ),
  };
}

function complaint(
  section: string,
  checks: Readonly<Record<string, Check>>,
  key: string,
  value: unknown,
): string | undefined {
  const check = Object.hasOwn(checks, key) ? checks[key] : undefined;
  if (check === undefined) {
    return `${section}.${key} is not a key that can be set; there are ${Object.keys(checks).join(', ')}`;
  }
  const wrong = check(value);
  return wrong === undefined ? undefined : `${section}.${key} = ${JSON.stringify(value)}: ${wrong}`;
}

/** Without the keys that say nothing. */
const defined = (settings: NeighbourSettings = {}): NeighbourSettings =>
  Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));

const limit = (value: number | typeof NONE | undefined): number | undefined =>
  value === NONE ? undefined : value;

const termsOf = ({
  allow,
  weight: heavy,
  rate: down,
  rate_up: up,
  quota_day,
  quota_month,
}: NeighbourSettings): NeighbourTerms => ({
  allow: allow ?? USUAL_TERMS.allow,
  weight: heavy ?? USUAL_TERMS.weight,
  rate: { down: limit(down), up: limit(up) },
  quota: { day: limit(quota_day), month: limit(quota_month) },
});
