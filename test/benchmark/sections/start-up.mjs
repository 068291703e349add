/** How much longer an application takes to start with the package. */
import { interleave } from '../harness.mjs';
import { caller, privatePem } from '../parties.mjs';
import { Child } from '../processes/child.mjs';

export const title = 'Start-up';

export default async function startUp({ isQuick }) {
  const rows = [];
  for (const format of ['ES modules', 'CommonJS']) {
    const start = (withPackage) => async () => {
      const options = { withPackage, format, appUuid: caller.appUuid, privatePem: privatePem() };
      const child = await Child.start('start-up.mjs', options);
      await child.stop();
      return child.ready;
    };
    const measured = await interleave({ without: start(false), with: start(true) }, isQuick ? 1 : 15);
    const { importing, starting } = measured.with;
    rows.push({
      format,
      importing: importing.median,
      spread: importing.spread,
      forRoot: starting.median - measured.without.starting.median,
      without: measured.without.starting.median,
    });
  }
  return {
    tables: [
      {
        title: 'Added by the package, where Nest and axios are loaded already',
        columns: {
          format: '',
          importing: 'import, ms',
          spread: '± %',
          forRoot: 'forRoot, ms',
          without: '(an empty application, ms)',
        },
        rows,
      },
    ],
  };
}
