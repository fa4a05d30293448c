import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { NAVIGATION } from '../../support-js/http.js';

const PATHS = ['/api/boom', '/api/boom?detail=1'];
const LEAK = /db-internal|node_modules|route\.js|\bat .*\d+:\d+/;

export default (world) =>
  describe('Failures of the app in production', () => {
    let gate;
    before(async () => {
      gate = await world.startGate({ environment: 'production', publicOrigin: 'https://shop.example' });
    });
    after(() => gate?.stop());

    test('without the gate, the failure shows the app\'s inside (there is something to mask)', async () => {
      const answer = await world.shop.request({ path: '/api/boom?detail=1' });
      assert.equal(answer.status, 500);
      assert.match(answer.body, LEAK);
    });

    for (const path of PATHS) {
      test(`${path}: a script gets a problem document`, async () => {
        const answer = await gate.request({ path, headers: { accept: 'application/json' } });
        assert.equal(answer.status, 500);
        assert.match(answer.headers['content-type'], /^application\/problem\+json/);
        assert.doesNotMatch(answer.body, LEAK);
        const problem = JSON.parse(answer.body);
        assert.equal(problem.status, 500);
        assert.equal(problem.code, 'internal');
        assert.equal(problem.error, 'Internal server error');
        assert.ok(problem.requestId, 'a request id to ask about');
      });

      test(`${path}: a browser gets a page`, async () => {
        const answer = await gate.request({ path, headers: NAVIGATION });
        assert.equal(answer.status, 500);
        assert.match(answer.headers['content-type'], /^text\/html/);
        assert.doesNotMatch(answer.body, LEAK);
      });
    }
  });
