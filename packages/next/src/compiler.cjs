// The module that reads policy files. Asked for by name at run time, so that no bundler takes it along.

const { readFileSync } = require('node:fs');
const path = require('node:path');

module.exports = () => readFileSync(path.join(__dirname, 'compiler.wasm'));
