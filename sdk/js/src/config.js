// Values and secrets of the tenant that the module was granted.

import { get } from "#config";

export const config = {
  /** A value or secret by its name; nothing where there is none. */
  get(key) {
    return get(key);
  },
};
