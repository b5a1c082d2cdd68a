// The features of windows and groups as their user declares them, read and checked.
import { readAggregate } from '../../schemas/aggregate-declaration.ts';
import { Fields, invalid } from '../../schemas/reading.ts';
import { aggregateOf } from '../aggregates/catalogue.ts';
import { type BoxedFeature } from '../windows/boxed-partials.ts';

/**
 * @param path whose they are, with a colon at its end
 * @param declared the declaration that has them as `features`
 * @throws Failure `invalid_definition`, naming the field
 */
export function readFeatures(path: string, declared: Fields): BoxedFeature[] {
  const features = declared
    .fields('features')
    .entries()
    .map(([feature, value]) => readFeature(`${path} features.${feature}`, feature, value));
  if (features.length === 0) throw invalid(`${path} features`, 'is empty.', 'Name at least one aggregate.');
  return features;
}

function readFeature(path: string, name: string, value: unknown): BoxedFeature {
  const fields = new Fields(path, value);
  const declaration = readAggregate(fields);
  const aggregate = aggregateOf(declaration);
  const feature = {
    name,
    aggregate,
    field: aggregate.needsValue ? fields.text('field', 'amount') : null,
    second: declaration.function === 'ratio' ? declaration.denominator : null,
  };
  fields.end();
  return feature;
}
