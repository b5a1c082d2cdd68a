// What a new model version is registered with: its one ONNX file, loaded and run here once, so that what is no model is refused now
// and not when requests wait for it.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from '../../schemas/failure.ts';
import { type VersionInput } from '../../serving/scoring/models.ts';
import { type Artifacts, SCHEME, artifactPath } from '../artifacts.ts';
import { OnnxModels } from './onnx-models.ts';

export interface RegisteredWeights {
  readonly uri: string;
  readonly sha256: string;
  /** null where neither the artifacts nor the caller say */
  readonly inputs: readonly VersionInput[] | null;
}

/** @throws Failure `invalid_model` naming the file */
export async function checkWeights(
  device: 'cpu' | 'cuda',
  dataDir: string,
  uri: string,
  width: number | null,
): Promise<string> {
  const path = artifactPath(dataDir, uri);
  if (!existsSync(path))
    throw new Failure('invalid_model', `There are no weights at ${uri}.`, {
      field: 'weights_uri',
      fix: 'Log the ONNX file as an artifact of the run first, then register the version.',
    });
  const models = new OnnxModels(device);
  try {
    return (await models.load(uri, path, width)).sha256;
  } finally {
    await models.close();
  }
}

/**
 * The weights below a version's source; null where there are none: a version may be registered for its documentation.
 * @param inputs of the endpoint that the model is for; null: unknown
 * @throws Failure `invalid_model`
 */
export async function weightsBelow(
  artifacts: Artifacts,
  dataDir: string,
  device: 'cpu' | 'cuda',
  source: string,
  inputs: readonly VersionInput[] | null,
): Promise<RegisteredWeights | null> {
  if (!source.startsWith(SCHEME)) return null;
  const folder = source.replace(/\/+$/, '');
  const names = folder.endsWith('.onnx')
    ? ['']
    : artifacts.list(folder).flatMap(({ path, is_dir }) => (!is_dir && path.endsWith('.onnx') ? [`/${path}`] : []));
  const [name] = names;
  if (name === undefined) return null;
  if (names.length > 1)
    throw new Failure('invalid_model', `${source} holds ${names.length} ONNX files.`, {
      field: 'source',
      fix: `Name one of them as the source: ${names.map((file) => `${folder}${file}`).join(', ')}.`,
    });
  const uri = `${folder}${name}`;
  const declared = signatureIn(artifactPath(dataDir, uri.replace(/\/[^/]*$/, ''))) ?? inputs;
  return { uri, sha256: await checkWeights(device, dataDir, uri, declared?.length ?? null), inputs: declared };
}

/** The inputs that a trainer of ours wrote beside its weights. */
function signatureIn(folder: string): readonly VersionInput[] | null {
  const path = join(folder, 'signature.json');
  if (!existsSync(path)) return null;
  const refuse = (problem: string): Failure =>
    new Failure('invalid_model', `signature.json beside the weights ${problem}.`, {
      field: 'inputs',
      fix: 'Write a list of {name, kind: number} and {name, kind: category, categories: […]}, in the order of the columns.',
    });
  let parsed: unknown;
  try {
    parsed = JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    throw refuse('is no JSON');
  }
  if (!Array.isArray(parsed) || parsed.length === 0) throw refuse('is no list of inputs');
  return parsed.map((input: unknown) => {
    const { name, kind, categories } = (input ?? {}) as Record<string, unknown>;
    if (typeof name !== 'string') throw refuse('has an input without a name');
    if (kind === 'number') return { name, kind };
    if (kind === 'category' && Array.isArray(categories)) return { name, kind, categories: categories.map(String) };
    throw refuse(`says of ${name} neither number nor category with its categories`);
  });
}
