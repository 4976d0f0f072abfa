// Stands for jimp where bundles must be small (see `imports` of package.json).

import { UnsupportedError } from '../errors.ts';

export const Jimp = {
  fromBuffer(): never {
    throw new UnsupportedError('is not decoded in edge bundles: send PNG or JPEG, or give a decoder');
  },
};
