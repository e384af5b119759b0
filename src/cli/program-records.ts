import { Option, type Command } from 'commander';
import { auditExport, auditShow, auditVerify } from './commands/audit.ts';
import type { CliContext } from './context.ts';
import { example, type Done } from './program-parts.ts';

/** What bottles did, on record. */
export function addRecords(program: Command, context: CliContext, done: Done): void {
  const audit = program
    .command('audit')
    .description('the record of what bottles did: check it, read it, hand it on')
    .addHelpText('after', example('bot-bottle audit verify'));
  audit
    .command('verify')
    .description('check records from their first line to their seal; exit 1 for a tampered one, 4 for an open one')
    .argument('[place]', 'a bottle, or a file or directory that somebody sent; without it all records of this host')
    .option('--key <file>', 'the public key that it must be signed with, in PEM')
    .option('--allow-open', 'exit 0 for a record that is not sealed yet')
    .option('--json', 'as JSON')
    .addHelpText('after', example('bot-bottle audit verify reviewer-k3x9q'))
    .action((place: string | undefined, options: Record<string, unknown>) => {
      done(auditVerify(context, place ?? null, options));
    });
  audit
    .command('show')
    .description('the records of a bottle, a line each')
    .argument('<place>', 'a bottle, or a file')
    .option('--json', 'as they are written')
    .addHelpText('after', example('bot-bottle audit show reviewer-k3x9q'))
    .action((place: string, options: Record<string, unknown>) => {
      done(auditShow(context, place, options));
    });
  audit
    .command('export')
    .description('records for other programs; one that does not hold is refused')
    .argument('[place]', 'a bottle, or a file; without it all records of this host')
    .addOption(new Option('--format <format>', 'which').choices(['jsonl', 'csv']).default('jsonl'))
    .addHelpText('after', example('bot-bottle audit export reviewer-k3x9q --format csv > reviewer.csv'))
    .action((place: string | undefined, options: Record<string, unknown>) => {
      done(auditExport(context, place ?? null, options));
    });
}
