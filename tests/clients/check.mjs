// Runs checks one after another, prints a line per check, and ends with the figures.

import assert from 'node:assert/strict'

let passed = 0
let failed = 0

export async function check(name, body) {
  try {
    await body()
    passed += 1
    console.log(`ok      ${name}`)
  } catch (error) {
    failed += 1
    console.log(`FAILED  ${name}: ${error.message}`)
  }
}

// The error with which a call is refused; `code` is what the client makes of the vendor's error.
export async function refused(code, call) {
  const error = await call().then(
    () => assert.fail(`expected ${code}`),
    (error) => error,
  )
  assert.equal(error.errorCode ?? error.code ?? error.name, code, error.message)
  return error
}

export function finish(client) {
  console.log(`${client}: ${passed} passed, ${failed} failed`)
  process.exit(failed === 0 ? 0 : 1)
}
