/**
 * What the sequencer and the runner of the mutation tests share; both live in the process that tries one mutant after
 * another.
 */
module.exports = {
  /** The mutant that was noticed last. */
  mutant: undefined,
  /** Files of tests, those first that noticed a mutant most recently: they are likely to notice its neighbours. */
  by: [],
};
