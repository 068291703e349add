/** Token of the base URL of the studies service. */
export const STUDIES_URL = Symbol('STUDIES_URL');
