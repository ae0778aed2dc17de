import { offsetAt } from './elements.js';
import { findOffset } from './find-offset.js';
import type { ObjectSet } from './object-set.js';
import { type PackList, placeOf } from './pack-list.js';

/**
 * Numbers of objects, in the order of the objects in the packs. To read many objects in this order
 * takes far less time than in the order of their ids. Memory: 20 bytes an object.
 */
export function inPackOrder(packs: PackList, objects: ObjectSet): Uint32Array {
  const places = new Float64Array(objects.size);
  let count = 0;
  for (const number of objects) {
    const pack = packs.packOf(number);
    const { idx, firstNumber } = packs.at(pack);
    places[count++] = placeOf(pack, idx.offsetAt(number - firstNumber));
  }
  const order = Float64Array.from(places).sort();
  const sorted = new Uint32Array(count);
  count = 0;
  for (const number of objects) {
    const position = findOffset(order, offsetAt(places, count++), order.length);
    if (position !== undefined) sorted[position] = number;
  }
  return sorted;
}
