// The names that users give to parts of a topology which would otherwise be called by their place: sources, and what lies behind keyBy.
import { Fields, invalid } from '../../schemas/reading.ts';

/** Names of places, and of what a foreign-key join sends: another topology's could be the same. */
const RESERVED = /^(stage-\d+|subscriptions|responses)$/;

export class StageNames {
  readonly #claimedBy = new Map<string, string>();

  /**
   * It becomes part of the names of topics, and of the state's.
   * @param path who claims it, with a colon at its end
   * @throws Failure `invalid_definition` naming the field, when it is no name or taken
   */
  claim(path: string, given: string): string {
    const fields = new Fields(path, { name: given });
    const name = fields.name('name', 'by-card');
    if (RESERVED.test(name))
      throw invalid(fields.at('name'), `${name} is what the engine calls something itself.`, 'Choose another name.');
    const other = this.#claimedBy.get(name);
    if (other !== undefined)
      throw invalid(
        fields.at('name'),
        `${name} is the name of another part (${other}).`,
        'Give each part a name of its own: it names the state behind it.',
      );
    this.#claimedBy.set(name, path.replace(/:$/, ''));
    return name;
  }

  /** @throws Failure `invalid_definition` when it is taken */
  claimDirect(name: string): void {
    const path = `windows ${name}:`;
    const other = this.#claimedBy.get(name);
    if (other !== undefined)
      throw invalid(
        `${path} name`,
        `${name} is the name of another part (${other}).`,
        'Give one of them another name.',
      );
    this.#claimedBy.set(name, path.replace(/:$/, ''));
  }
}
