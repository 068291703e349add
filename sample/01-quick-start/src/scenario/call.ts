/** What a call must come to. */
export interface Expectation {
  readonly status: number;
  /** Why: for a refusal the code in the log of the studies service, else in words. */
  readonly why: string;
  /** What the answer must contain. */
  readonly answer?: object;
}

/** One call of the sample. */
export interface Call {
  readonly title: string;
  readonly expected: Expectation;
  send(): Promise<{ status: number; data: unknown }>;
}

/** What became of a call. */
export interface Outcome {
  readonly title: string;
  readonly expected: Expectation;
  readonly status: number;
  readonly why: string;
  readonly asExpected: boolean;
}
