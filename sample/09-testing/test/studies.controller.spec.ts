import { StudiesController } from '../src/studies.controller.js';

/** A controller is a class: without requests, nothing of MAuth is needed. */
describe('StudiesController', () => {
  it('lists studies', () => {
    expect(new StudiesController().list('some app')).toEqual({ studies: ['Mediflex'], caller: 'some app' });
  });
});
