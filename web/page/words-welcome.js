// The words that only the welcome page needs, so that the other pages need not load them.

import { de } from './lang/welcome-de.js';
import { en } from './lang/welcome-en.js';
import { es } from './lang/welcome-es.js';
import { fr } from './lang/welcome-fr.js';
import { it } from './lang/welcome-it.js';

/** The tables by language; all have the same keys. @type {Record<string, Record<keyof typeof en, string>>} */
export const tables = { en, de, it, fr, es };
