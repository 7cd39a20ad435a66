// Whether plain data that came from outside are of the form of others: what a state has to be before anything is asked of it.

/**
 * Numbers are finite, objects have the members of the model, lists its length; of a list that is empty in the model any number of
 * numbers or of objects may be there. Where the model has null or nothing, anything may be.
 */
export function hasShapeOf(value: unknown, model: unknown): boolean {
  if (model === undefined || model === null) return true;
  if (Array.isArray(model)) {
    if (!Array.isArray(value)) return false;
    if (model.length === 0)
      return value.every(Number.isFinite) || value.every((each) => typeof each === 'object');
    return value.length === model.length && value.every((each) => hasShapeOf(each, model[0]));
  }
  if (typeof model === 'object')
    return (
      typeof value === 'object' &&
      value !== null &&
      !Array.isArray(value) &&
      Object.entries(model).every(([key, each]) => hasShapeOf((value as Record<string, unknown>)[key], each))
    );
  return typeof value === typeof model && (typeof value !== 'number' || Number.isFinite(value));
}
