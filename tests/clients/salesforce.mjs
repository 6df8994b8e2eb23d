// Runs jsforce, unmodified, against a simulated Salesforce.
//
//   node salesforce.mjs BASE_URL CREDENTIALS     (or the environment variables of these names)
//
// CREDENTIALS is the JSON object that the simulator prints. Prints a line per check and
// the figures; exits 1 when a check failed.

import assert from 'node:assert/strict'
import { createHash, generateKeyPairSync, sign } from 'node:crypto'
import jsforce from 'jsforce'
import { check, finish, refused } from './check.mjs'

const [base = process.env.BASE_URL, json = process.env.CREDENTIALS] = process.argv.slice(2)
if (!base || !json) {
  console.error('usage: node salesforce.mjs BASE_URL CREDENTIALS')
  process.exit(2)
}

const credentials = JSON.parse(json)
const { client_id: clientId, client_secret: clientSecret, username, password } = credentials
const oauth2 = { clientId, clientSecret, loginUrl: base, redirectUri: 'http://127.0.0.1/done' }
const version = '60.0'
const run = Date.now().toString(36)
const ROWS = 5200

let conn

await check('login: SOAP with user name and password', async () => {
  const soap = new jsforce.Connection({ loginUrl: base, version, logLevel: 'ERROR' })
  const user = await soap.login(username, password)
  assert.match(user.id, /^005\w{15}$/)
  assert.equal((await soap.query('SELECT Id FROM User LIMIT 1')).totalSize, 1)
  const wrong = new jsforce.Connection({ loginUrl: base, version, logLevel: 'ERROR' })
  await assert.rejects(() => wrong.login(username, 'wrong'), /INVALID_LOGIN/)
})

await check('login: OAuth user name and password', async () => {
  conn = new jsforce.Connection({ oauth2, version })
  const user = await conn.login(username, password)
  assert.match(user.organizationId, /^00D\w{15}$/)
  assert.equal(conn.instanceUrl, base)
  assert.equal((await conn.identity()).username, username)
})

await check('login: OAuth client credentials, and a wrong secret', async () => {
  const own = new jsforce.Connection({ oauth2, version })
  await own.authorize({ grant_type: 'client_credentials' })
  assert.ok(own.accessToken.startsWith('00D'))
  const wrong = new jsforce.Connection({ oauth2: { ...oauth2, clientSecret: 'x' }, version })
  await refused('invalid_client', () => wrong.authorize({ grant_type: 'client_credentials' }))
})

await check('login: OAuth JWT bearer', async () => {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const exp = Math.floor(Date.now() / 1000) + 120
  const unsigned = `${part({ alg: 'RS256' })}.${part({ iss: clientId, sub: username, aud: base, exp })}`
  const signature = sign('sha256', Buffer.from(unsigned), privateKey).toString('base64url')
  const own = new jsforce.Connection({ oauth2, version })
  await own.authorize({
    grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
    assertion: `${unsigned}.${signature}`,
  })
  assert.equal((await own.query('SELECT Id FROM User LIMIT 1')).done, true)
})

await check('login: OAuth web server flow with PKCE, refresh with rotation, revoke', async () => {
  const flow = new jsforce.OAuth2({ ...oauth2, useVerifier: true })
  const url = flow.getAuthorizationUrl({ scope: 'api refresh_token', state: 's' })
  const challenge = createHash('sha256').update(flow.codeVerifier).digest('base64url')
  assert.equal(new URL(url).searchParams.get('code_challenge'), challenge)
  const back = await fetch(url, { redirect: 'manual' })
  const code = new URL(back.headers.get('location')).searchParams.get('code')
  const own = new jsforce.Connection({ oauth2: flow, version })
  await own.authorize(code)
  const first = own.refreshToken
  const renewed = await flow.refreshToken(first)
  assert.ok(renewed.access_token && renewed.refresh_token !== first)
  await refused('invalid_grant', () => flow.refreshToken(first))
  await flow.revokeToken(renewed.access_token)
  const dead = new jsforce.Connection({ instanceUrl: base, accessToken: renewed.access_token, version })
  await refused('INVALID_SESSION_ID', () => dead.query('SELECT Id FROM User'))
})

await check('session: jsforce logs in again by itself after a 401', async () => {
  await fetch(`${base}/_sim/revoke`, { method: 'POST' })
  assert.equal((await conn.query('SELECT Id FROM User LIMIT 1')).totalSize, 1)
  assert.match(String(conn.limitInfo.apiUsage.used), /^\d+$/)
})

await check('describe: global, object, versions, limits', async () => {
  const { sobjects } = await conn.describeGlobal()
  const names = sobjects.map((sobject) => sobject.name)
  for (const name of ['Account', 'Contact', 'Lead', 'Opportunity', 'Task', 'User']) {
    assert.ok(names.includes(name), name)
  }
  const contact = await conn.describe('Contact')
  const key = contact.fields.find((field) => field.name === 'Renkei_Id__c')
  assert.deepEqual([key.externalId, key.unique, key.length], [true, true, 80])
  assert.ok(contact.childRelationships.length > 0)
  assert.equal((await conn.limits()).DailyApiRequests.Max > 0, true)
  assert.ok((await conn.request('/services/data')).some((one) => one.version === version))
})

let account

await check('records: create, retrieve, update, delete', async () => {
  account = await conn.sobject('Account').create({ Name: `株式会社連携 ${run}`, Website: 'https://r.example.jp' })
  assert.equal(account.success, true)
  const read = await conn.sobject('Account').retrieve(account.id)
  assert.equal(read.Name, `株式会社連携 ${run}`)
  assert.equal(read.attributes.type, 'Account')
  await conn.sobject('Account').update({ Id: account.id, Phone: '03-1234-5678', Website: null })
  const again = await conn.sobject('Account').retrieve(account.id, { fields: ['Phone', 'Website'] })
  assert.deepEqual([again.Phone, again.Website], ['03-1234-5678', null])
  const gone = await conn.sobject('Account').create({ Name: 'gone' })
  await conn.sobject('Account').destroy(gone.id)
  await refused('ENTITY_IS_DELETED', () => conn.sobject('Account').destroy(gone.id))
})

await check('records: refusals', async () => {
  const missing = await refused('REQUIRED_FIELD_MISSING', () => conn.sobject('Contact').create({ FirstName: 'x' }))
  assert.deepEqual(missing.data.fields, ['LastName'])
  await refused('STRING_TOO_LONG', () => conn.sobject('Contact').create({ LastName: 'x'.repeat(81) }))
  await refused('NOT_FOUND', () => conn.sobject('Nope').create({ Name: 'x' }))
  await refused('INVALID_FIELD', () => conn.query('SELECT Nope FROM Account'))
  await refused('MALFORMED_QUERY', () => conn.query('SELECT Id FROM'))
})

await check('collections: create, update, retrieve, delete', async () => {
  const made = await conn.sobject('Contact').create([
    { LastName: '山田', FirstName: '太郎', AccountId: account.id },
    { FirstName: '姓なし' },
    { LastName: '佐藤', Email: `sato.${run}@client.example.jp` },
  ])
  assert.deepEqual(made.map((row) => row.success), [true, false, true])
  assert.equal(made[1].errors[0].statusCode, 'REQUIRED_FIELD_MISSING')
  const ids = [made[0].id, made[2].id]
  const changed = await conn.sobject('Contact').update(ids.map((Id) => ({ Id, Title: '部長' })))
  assert.ok(changed.every((row) => row.success))
  const read = await conn.sobject('Contact').retrieve(ids)
  assert.deepEqual(read.map((row) => row.Title), ['部長', '部長'])
  const gone = await conn.sobject('Contact').destroy(ids)
  assert.ok(gone.every((row) => row.success))
  const all = await conn.query(`SELECT Id FROM Contact WHERE Id IN ('${ids.join("','")}') AND IsDeleted = true`, { scanAll: true })
  assert.equal(all.totalSize, 2)
})

await check('collections: all or none', async () => {
  const rows = [{ Name: `none ${run}` }, { Website: 'x' }]
  const made = await conn.sobject('Account').create(rows, { allOrNone: true })
  assert.equal(made[0].errors[0].statusCode, 'ALL_OR_NONE_OPERATION_ROLLED_BACK')
  assert.equal(await conn.sobject('Account').count({ Name: `none ${run}` }), 0)
})

await check('upsert: by external id, one and many', async () => {
  const key = `one-${run}`
  const first = await conn.sobject('Lead').upsert({ Renkei_Id__c: key, LastName: 'a', Company: 'c' }, 'Renkei_Id__c')
  const second = await conn.sobject('Lead').upsert({ Renkei_Id__c: key, LastName: 'b' }, 'Renkei_Id__c')
  assert.deepEqual([first.created, second.created, second.id], [true, false, first.id])
  const many = await conn.sobject('Lead').upsert(
    [
      { Renkei_Id__c: key, Title: 't' },
      { Renkei_Id__c: `two-${run}`, LastName: 'c', Company: 'c' },
      { Renkei_Id__c: `three-${run}`, LastName: 'no company' },
    ],
    'Renkei_Id__c',
  )
  assert.deepEqual(many.map((row) => [row.success, row.created]), [[true, false], [true, true], [false, undefined]])
})

await check('upsert: a key that several records have', async () => {
  const Email = `twin.${run}@client.example.jp`
  await conn.sobject('Contact').create([{ LastName: 'a', Email }, { LastName: 'b', Email }])
  const error = await refused('MULTIPLE_CHOICES', () => conn.sobject('Contact').upsert({ Email, Title: 't' }, 'Email'))
  assert.equal(error.data.length, 2)
})

await check('bulk: ingest by upsert', async () => {
  const rows = Array.from({ length: ROWS }, (_, n) => ({
    Renkei_Id__c: `bulk-${run}-${n}`,
    LastName: `姓${String(n).padStart(5, '0')}`,
    Company: n % 1000 === 999 ? '' : `会社, "${run}"`,
  }))
  const { successfulResults, failedResults, unprocessedRecords } = await conn.bulk2.loadAndWaitForResults({
    object: 'Lead',
    operation: 'upsert',
    externalIdFieldName: 'Renkei_Id__c',
    input: rows,
    pollInterval: 100,
  })
  assert.deepEqual([successfulResults.length, failedResults.length, unprocessedRecords.length], [ROWS - 5, 5, 0])
  assert.match(successfulResults[0].sf__Id, /^00Q/)
  assert.equal(successfulResults[0].sf__Created, 'true')
  assert.match(failedResults[0].sf__Error, /^REQUIRED_FIELD_MISSING/)
})

const BULK = `Renkei_Id__c LIKE 'bulk-${run}-%'`

await check('query: queryMore by hand over 5,000 rows', async () => {
  let page = await conn.query(`SELECT Id, LastName FROM Lead WHERE ${BULK} ORDER BY LastName`)
  assert.deepEqual([page.totalSize, page.done, page.records.length], [ROWS - 5, false, 2000])
  const seen = new Set(page.records.map((row) => row.Id))
  while (!page.done) {
    page = await conn.queryMore(page.nextRecordsUrl)
    page.records.forEach((row) => seen.add(row.Id))
  }
  assert.equal(seen.size, ROWS - 5)
})

await check('query: fetched to the end with small pages', async () => {
  const options = { autoFetch: true, maxFetch: ROWS, headers: { 'Sforce-Query-Options': 'batchSize=500' } }
  const { records } = await conn.query(`SELECT Id FROM Lead WHERE ${BULK}`, options)
  assert.equal(records.length, ROWS - 5)
})

await check('query: parents, children, dates, order, find', async () => {
  await conn.sobject('Contact').create({ LastName: `子 ${run}`, AccountId: account.id })
  const child = await conn.query(`SELECT LastName, Account.Name FROM Contact WHERE AccountId = '${account.id}'`)
  assert.equal(child.records[0].Account.Name, `株式会社連携 ${run}`)
  const parent = await conn.query(`SELECT Id, (SELECT LastName FROM Contacts) FROM Account WHERE Id = '${account.id}'`)
  assert.equal(parent.records[0].Contacts.records[0].LastName, `子 ${run}`)
  const found = await conn
    .sobject('Contact')
    .find({ LastName: `子 ${run}`, CreatedDate: { $gte: jsforce.Date.YESTERDAY } }, ['Id', 'Name'])
    .sort({ SystemModstamp: 1, Id: -1 })
    .limit(5)
  assert.equal(found.length, 1)
  assert.equal(await conn.sobject('Contact').count({ LastName: `子 ${run}` }), 1)
  const stages = await conn.query('SELECT MasterLabel, ApiName, IsClosed, IsWon FROM OpportunityStage ORDER BY SortOrder')
  assert.ok(stages.records.some((stage) => stage.IsWon))
})

await check('bulk: query', async () => {
  const stream = await conn.bulk2.query(`SELECT Id, LastName FROM Lead WHERE ${BULK} ORDER BY LastName`, { pollInterval: 100 })
  const rows = await stream.toArray()
  assert.equal(rows.length, ROWS - 5)
  assert.equal(rows[0].LastName, '姓00000')
})

await check('bulk: delete, and a job that fails as a whole', async () => {
  const { records } = await conn.query(`SELECT Id FROM Lead WHERE ${BULK} LIMIT 300`)
  const input = records.map(({ Id }) => ({ Id }))
  const done = await conn.bulk2.loadAndWaitForResults({ object: 'Lead', operation: 'delete', input, pollInterval: 100 })
  assert.equal(done.successfulResults.length, 300)
  const bad = { object: 'Lead', operation: 'insert', input: [{ Nope: 'x' }], pollInterval: 100 }
  await assert.rejects(() => conn.bulk2.loadAndWaitForResults(bad), /Field name not found : Nope/)
})

await check('replication: updated and deleted', async () => {
  const start = new Date(Date.now() - 600_000)
  const end = new Date(Date.now() + 120_000)
  const updated = await conn.sobject('Account').updated(start, end)
  assert.ok(updated.ids.includes(account.id))
  const deleted = await conn.sobject('Lead').deleted(start, end)
  assert.equal(deleted.deletedRecords.length >= 300, true)
})

await check('composite: parts that refer to each other', async () => {
  const path = `/services/data/v${version}/sobjects`
  const { compositeResponse } = await conn.requestPost('/composite', {
    allOrNone: true,
    compositeRequest: [
      { method: 'POST', url: `${path}/Account`, referenceId: 'a', body: { Name: 'composite' } },
      { method: 'POST', url: `${path}/Contact`, referenceId: 'c', body: { LastName: 'c', AccountId: '@{a.id}' } },
    ],
  })
  assert.deepEqual(compositeResponse.map((part) => part.httpStatusCode), [201, 201])
})

await check('logout: the session is over', async () => {
  const own = new jsforce.Connection({ oauth2, version })
  await own.authorize({ grant_type: 'client_credentials' })
  const accessToken = own.accessToken
  await own.logout()
  const dead = new jsforce.Connection({ instanceUrl: base, accessToken, version })
  await refused('INVALID_SESSION_ID', () => dead.query('SELECT Id FROM User'))
})

finish('jsforce')
