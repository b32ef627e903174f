// The phones of the house, as states: what is and what happened go in, what becomes of it and what is to be done come out. Pure.

/**
 * @typedef {import('./house.js').Role} Role
 * @typedef {import('./house.js').Me} Me
 * @typedef {import('./house.js').HousePhone} HousePhone
 * @typedef {import('./house.js').Invitation} Invitation
 * @typedef {import('./house.js').NewInvitation} NewInvitation
 *
 * @typedef {object} State
 * @property {Me} me
 * @property {'closed' | 'list' | 'add' | 'invitation'} view
 * @property {HousePhone[] | null} phones  null before the house told
 * @property {Invitation[]} invitations    that nobody has taken up
 * @property {string} removing   id of the phone that is asked about: really?
 * @property {boolean} leaving   it is asked whether this phone shall sign out
 * @property {boolean} busy      something was asked of the house
 * @property {Role} role         of the next invitation
 * @property {NewInvitation | null} invitation  the one that is shown
 * @property {string[]} before   ids of the phones that were there when it was made
 * @property {{key: string, name: string} | null} notice
 * @property {string} error      a Refusal's code, '' for none
 *
 * @typedef {{type: string, at: number, [field: string]: any}} Event
 * @typedef {{do: 'load' | 'leave' | 'out'} | {do: 'remove' | 'takeback', id: string} | {do: 'invite', role: Role, until: number}} Effect
 */

/**
 * initial returns the state of a page that was just opened.
 * @param {Me} me
 * @returns {State}
 */
export function initial(me) {
  return {
    me, view: 'closed', phones: null, invitations: [], removing: '', leaving: false, busy: false, role: 'member', invitation: null,
    before: [], notice: null, error: '',
  };
}

/** manages tells whether this phone may see and change the others. @param {State} state */
export const manages = ({ me }) => me.role === 'owner';

/** The longest a guest may stay, in ms: the house takes no more. */
export const longestGuest = 365 * 86_400_000;

/** @type {Effect} */
const load = { do: 'load' };
const asked = { busy: true, error: '' };
const overview = /** @type {Partial<State>} */ ({ view: 'list', invitation: null, removing: '', leaving: false, error: '' });

/** @type {Record<string, (state: State, event: any) => [Partial<State>, ...Effect[]]>} */
const handlers = {
  open: (state) => [{ view: state.invitation ? 'invitation' : 'list', error: '' }, ...(manages(state) ? [load] : [])],
  close: () => [{ view: 'closed', removing: '', leaving: false, notice: null, error: '' }],
  add: () => [{ ...overview, view: 'add', notice: null }],
  back: () => [overview],
  role: (_, { role }) => [{ role, error: '' }],
  dismiss: () => [{ notice: null }],

  /** Removing is asked for and confirmed in two steps, never with one tap. */
  askremove: (_, { id }) => [{ removing: id, leaving: false, error: '' }],
  askleave: () => [{ leaving: true, removing: '', error: '' }],
  keep: () => [{ removing: '', leaving: false, error: '' }],
  remove: (state) => (state.removing && !state.busy ? [asked, { do: 'remove', id: state.removing }] : [{}]),
  leave: (state) => (state.leaving && !state.busy ? [asked, { do: 'leave' }] : [{}]),

  invite(state, { until = 0, at }) {
    if (state.busy) return [{}];
    if (state.role === 'guest' && !(until > at && until - at <= longestGuest)) return [{ error: 'date-wrong' }];
    return [asked, { do: 'invite', role: state.role, until: state.role === 'guest' ? until : 0 }];
  },
  takeback: (state, { id }) => (state.busy ? [{}] : [asked, { do: 'takeback', id }]),

  /** The house did it. */
  invited: (state, { invitation }) => [
    { busy: false, view: state.view === 'closed' ? 'closed' : 'invitation', invitation, before: (state.phones ?? []).map(({ id }) => id) }, load,
  ],
  takenback: (state, { id }) => [
    { busy: false, invitations: state.invitations.filter((one) => one.id !== id), ...(state.invitation?.id === id && over(state)) }, load,
  ],
  removed(state, { id }) {
    const gone = state.phones?.find((phone) => phone.id === id);
    const phones = state.phones?.filter((phone) => phone.id !== id) ?? null;
    return [{ busy: false, removing: '', phones, notice: gone ? { key: 'phones.removed', name: gone.name } : null }, load];
  },
  left: () => [{ busy: false }, { do: 'out' }],

  /** The house told who belongs to it. An invitation that is no longer among the open ones was taken up, or its time ran out. */
  phones(state, { phones, invitations, at }) {
    const me = phones.find((/** @type {HousePhone} */ phone) => phone.me);
    const known = { phones, invitations, ...(me && { me: { id: me.id, name: me.name, role: me.role, until: me.until } }), ...(state.error === 'offline' && { error: '' }) };
    const { invitation } = state;
    if (!invitation || invitations.some((/** @type {Invitation} */ { id }) => id === invitation.id)) return [known];
    const came = phones.find((/** @type {HousePhone} */ { id }) => !state.before.includes(id));
    const notice = came ? { key: 'phones.came', name: came.name } : { key: at < invitation.expires ? 'phones.used' : 'phones.expired', name: '' };
    return [{ ...known, ...over(state), notice }];
  },

  failed(state, { code }) {
    if (code === 'no-session') return [{ busy: false }, { do: 'out' }];
    if (code === 'not-found') return [{ busy: false, removing: '', ...(state.invitation && over(state)) }, load]; // somebody was faster
    return [{ busy: false, error: code }];
  },
};

/**
 * over leaves an invitation that is done with.
 * @param {State} state
 * @returns {Partial<State>}
 */
function over({ view }) {
  return { invitation: null, view: view === 'invitation' ? 'list' : view };
}

/**
 * step takes one event.
 * @param {State} state
 * @param {Event} event  at: ms since 1970
 * @returns {{state: State, effects: Effect[]}}
 */
export function step(state, event) {
  const [patch, ...effects] = handlers[event.type]?.(state, event) ?? [{}];
  return { state: Object.keys(patch).length ? { ...state, ...patch } : state, effects };
}

/**
 * pause returns the ms until the house is asked again, 0 for never.
 * @param {State} state
 */
export function pause(state) {
  if (!manages(state) || state.view === 'closed') return 0;
  return state.view === 'invitation' ? 2_000 : 10_000;
}

/**
 * endOfDay returns the last moment of a day, in this phone's time: a guest stays through the date.
 * @param {string} day  YYYY-MM-DD, as a date input has it
 */
export function endOfDay(day) {
  const [year, month, date] = day.split('-').map(Number);
  const end = new Date(year, month - 1, date, 23, 59, 59).getTime();
  return Number.isNaN(end) ? 0 : end;
}

/**
 * dayOf writes a moment's day, in this phone's time, as a date input wants it.
 * @param {number} at  ms since 1970
 */
export function dayOf(at) {
  const day = new Date(at);
  return [day.getFullYear(), day.getMonth() + 1, day.getDate()].map((part) => String(part).padStart(2, '0')).join('-');
}
