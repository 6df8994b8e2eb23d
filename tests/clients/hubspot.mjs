// Runs @hubspot/api-client, unmodified, against a simulated HubSpot.
//
//   node hubspot.mjs BASE_URL TOKEN     (or the environment variables of these names)
//
// Prints a line per check and the figures; exits 1 when a check failed.

import assert from 'node:assert/strict'
import { setTimeout as wait } from 'node:timers/promises'
import { AssociationTypes, Client } from '@hubspot/api-client'
import { check, finish, refused } from './check.mjs'

const [base = process.env.BASE_URL, token = process.env.TOKEN] = process.argv.slice(2)
if (!base || !token) {
  console.error('usage: node hubspot.mjs BASE_URL TOKEN')
  process.exit(2)
}

const client = new Client({ accessToken: token, basePath: base, numberOfApiCallRetries: 3 })
const { contacts, companies, deals, objects, associations, properties, pipelines, owners } =
  client.crm
const run = Date.now().toString(36)
const mail = (name) => `${name}.${run}@client.example.jp`

// The search index lags behind, so a search is asked until it knows.
async function eventually(call, enough) {
  for (let tries = 0; ; tries += 1) {
    const answer = await call()
    if (enough(answer) || tries === 60) return answer
    await wait(1000)
  }
}

let contact
let company
let deal

await check('objects: create', async () => {
  contact = await contacts.basicApi.create({
    properties: { email: mail('Taro').toUpperCase(), full_name: '山田　太郎', city: '港区' },
  })
  company = await companies.basicApi.create({ properties: { name: '㈱連携', domain: 'r.example.jp' } })
  deal = await deals.basicApi.create({
    properties: { dealname: '保守契約', dealstage: 'contractsent', pipeline: 'default', amount: '5000.00' },
    associations: [
      {
        to: { id: contact.id },
        types: [
          { associationCategory: 'HUBSPOT_DEFINED', associationTypeId: AssociationTypes.dealToContact },
        ],
      },
    ],
  })
  assert.equal(contact.properties.email, mail('taro'))
  assert.match(contact.id, /^\d{12}$/)
  assert.equal(deal.properties.amount, '5000.00')
  assert.ok(contact.createdAt instanceof Date)
})

await check('objects: read by id and by email, with history and associations', async () => {
  const byId = await contacts.basicApi.getById(contact.id, ['city', 'no_such_property'])
  assert.equal(byId.properties.city, '港区')
  assert.ok(!('no_such_property' in byId.properties))
  const byMail = await contacts.basicApi.getById(
    mail('taro'), undefined, ['city'], ['deals'], false, 'email',
  )
  assert.equal(byMail.id, contact.id)
  assert.equal(byMail.propertiesWithHistory.city[0].value, '港区')
  assert.equal(byMail.associations.deals.results[0].id, deal.id)
})

await check('objects: update, clear, and refuse', async () => {
  const changed = await contacts.basicApi.update(contact.id, { properties: { city: '', phone: '03-1234-5678' } })
  assert.equal(changed.properties.city, null)
  assert.equal(changed.properties.phone, '03-1234-5678')
  const { body: conflict } = await refused(409, () =>
    contacts.basicApi.create({ properties: { email: mail('taro') } }),
  )
  assert.match(conflict.message, new RegExp(`Existing ID: ${contact.id}`))
  const { body: unknown } = await refused(400, () =>
    contacts.basicApi.update(contact.id, { properties: { no_such_property: 'x' } }),
  )
  assert.equal(unknown.errors[0].code, 'PROPERTY_DOESNT_EXIST')
  await refused(404, () => contacts.basicApi.getById('1'))
})

await check('objects: list pages and getAll', async () => {
  const first = await contacts.basicApi.getPage(5, undefined, ['email'])
  assert.equal(first.results.length, 5)
  const second = await contacts.basicApi.getPage(5, first.paging.next.after)
  assert.ok(BigInt(second.results[0].id) > BigInt(first.results[4].id))
  const all = await contacts.getAll(100)
  assert.ok(all.length >= 10)
  assert.equal(new Set(all.map((one) => one.id)).size, all.length)
})

await check('objects: archive and list archived', async () => {
  const gone = await contacts.basicApi.create({ properties: { email: mail('gone') } })
  await contacts.basicApi.archive(gone.id)
  await refused(404, () => contacts.basicApi.getById(gone.id))
  const archived = await contacts.basicApi.getPage(100, undefined, undefined, undefined, undefined, true)
  assert.ok(archived.results.some((one) => one.id === gone.id && one.archivedAt))
})

await check('objects: generic api and notes', async () => {
  const note = await objects.notes.basicApi.create({
    properties: { hs_timestamp: Date.now().toString(), hs_note_body: '電話済み' },
    associations: [],
  })
  const read = await objects.basicApi.getById('notes', note.id, ['hs_note_body'])
  assert.equal(read.properties.hs_note_body, '電話済み')
})

let batch

await check('batch: create and read', async () => {
  const created = await contacts.batchApi.create({
    inputs: ['a', 'b', 'c'].map((name) => ({ properties: { email: mail(name) }, associations: [] })),
  })
  assert.equal(created.status, 'COMPLETE')
  batch = created.results
  const read = await contacts.batchApi.read({
    properties: ['email'],
    propertiesWithHistory: [],
    idProperty: 'email',
    inputs: [{ id: mail('a') }, { id: mail('nobody') }],
  })
  assert.equal(read.results.length, 1)
  assert.equal(read.errors[0].category, 'OBJECT_NOT_FOUND')
  assert.deepEqual(read.errors[0].context.ids, [mail('nobody')])
})

await check('batch: create fails whole, or in part with trace ids', async () => {
  const inputs = [{ properties: { email: mail('a') } }, { properties: { email: mail('d') } }]
  const { body: whole } = await refused(409, () => contacts.batchApi.create({ inputs }))
  assert.equal(whole.category, 'CONFLICT')
  const part = await contacts.batchApi.create({
    inputs: inputs.map((input, number) => ({ ...input, objectWriteTraceId: `${number}` })),
  })
  assert.equal(part.results.length, 1)
  assert.deepEqual(part.errors[0].context.objectWriteTraceId, ['0'])
  assert.deepEqual(part.errors[0].context.existingId, [batch.find((one) => one.properties.email === mail('a')).id])
})

await check('batch: update', async () => {
  const updated = await contacts.batchApi.update({
    inputs: [
      { id: batch[0].id, properties: { jobtitle: '部長' } },
      { id: '1', properties: { jobtitle: '部長' } },
    ],
  })
  assert.equal(updated.results[0].properties.jobtitle, '部長')
  assert.equal(updated.errors[0].category, 'OBJECT_NOT_FOUND')
  await refused(400, () =>
    contacts.batchApi.update({
      inputs: [batch[0], batch[0]].map(({ id }) => ({ id, properties: { jobtitle: 'x' } })),
    }),
  )
})

await check('batch: upsert by a unique property', async () => {
  const upsert = (jobtitle) =>
    contacts.batchApi.upsert({
      inputs: [{ id: `key-${run}`, idProperty: 'renkei_id', properties: { email: mail('up'), jobtitle } }],
    })
  const first = await upsert('課長')
  assert.equal(first.results[0]._new, true)
  const second = await upsert('部長')
  assert.equal(second.results[0]._new, false)
  assert.equal(second.results[0].id, first.results[0].id)
})

await check('batch: archive', async () => {
  await contacts.batchApi.archive({ inputs: [{ id: batch[2].id }] })
  await refused(404, () => contacts.basicApi.getById(batch[2].id))
})

await check('search: filters, sort and paging', async () => {
  const page = (after) =>
    contacts.searchApi.doSearch({
      filterGroups: [
        { filters: [{ propertyName: 'lastmodifieddate', operator: 'GTE', value: '0' }] },
      ],
      sorts: [{ propertyName: 'hs_object_id', direction: 'ASCENDING' }],
      properties: ['email'],
      limit: 20,
      after,
    })
  const first = await page()
  assert.equal(first.results.length, 20)
  assert.equal(first.paging.next.after, '20')
  await wait(300)
  const second = await page(first.paging.next.after)
  assert.ok(BigInt(second.results[0].id) > BigInt(first.results[19].id))
})

await check('search: the index catches up', async () => {
  const found = await eventually(
    () =>
      contacts.searchApi.doSearch({
        filterGroups: [
          { filters: [{ propertyName: 'email', operator: 'IN', values: [mail('taro')] }] },
        ],
        limit: 1,
      }),
    (answer) => answer.total > 0,
  )
  assert.equal(found.results[0].id, contact.id)
  await refused(400, () => contacts.searchApi.doSearch({ limit: 200, after: '10000' }))
})

await check('associations v4: default, labelled, list, remove', async () => {
  const { basicApi, batchApi } = associations.v4
  await basicApi.createDefault('contacts', contact.id, 'companies', company.id)
  const listed = await basicApi.getPage('contacts', contact.id, 'companies')
  assert.equal(`${listed.results[0].toObjectId}`, company.id)
  const types = listed.results[0].associationTypes.map((one) => one.typeId).sort()
  assert.deepEqual(types, [1, 279])
  const read = await batchApi.getPage('contacts', 'companies', {
    inputs: [{ id: contact.id }, { id: batch[0].id }],
  })
  assert.equal(read.results.length, 1)
  assert.equal(read.errors[0].subCategory, 'crm.associations.NO_ASSOCIATIONS_FOUND')
  await basicApi.create('contacts', batch[0].id, 'companies', company.id, [
    { associationCategory: 'HUBSPOT_DEFINED', associationTypeId: AssociationTypes.contactToCompany },
  ])
  await basicApi.archive('contacts', batch[0].id, 'companies', company.id)
  const empty = await basicApi.getPage('contacts', batch[0].id, 'companies')
  assert.equal(empty.results.length, 0)
})

await check('associations v4: batches and labels', async () => {
  const { batchApi, schema } = associations.v4
  const ends = { _from: { id: batch[1].id }, to: { id: company.id } }
  const types = [
    { associationCategory: 'HUBSPOT_DEFINED', associationTypeId: AssociationTypes.contactToCompany },
  ]
  const made = await batchApi.create('contacts', 'companies', { inputs: [{ ...ends, types }] })
  assert.equal(`${made.results[0].toObjectId}`, company.id)
  await batchApi.createDefault('deals', 'companies', {
    inputs: [{ _from: { id: deal.id }, to: { id: company.id } }],
  })
  await batchApi.archive('contacts', 'companies', {
    inputs: [{ _from: { id: batch[1].id }, to: [{ id: company.id }] }],
  })
  const labels = await schema.definitionsApi.getAll('contacts', 'companies')
  assert.deepEqual(labels.results.map((one) => one.typeId).sort(), [1, 279])
})

await check('properties: list, create, read, change, delete', async () => {
  const all = await properties.coreApi.getAll('contacts')
  const id = all.results.find((one) => one.name === 'hs_object_id')
  assert.equal(id.modificationMetadata.readOnlyValue, true)
  assert.equal(all.results.find((one) => one.name === 'renkei_id').hasUniqueValue, true)
  const name = `grade_${run}`
  const option = (value, displayOrder) => ({ label: value, value, displayOrder, hidden: false })
  await properties.coreApi.create('contacts', {
    name,
    label: '等級',
    type: 'enumeration',
    fieldType: 'select',
    groupName: 'contactinformation',
    options: [option('A', 0), option('B', 1)],
  })
  await refused(409, () =>
    properties.coreApi.create('contacts', {
      name, label: 'x', type: 'string', fieldType: 'text', groupName: 'contactinformation',
    }),
  )
  await refused(400, () => contacts.basicApi.update(contact.id, { properties: { [name]: 'C' } }))
  await properties.coreApi.update('contacts', name, { options: [option('C', 0)] })
  const read = await properties.coreApi.getByName('contacts', name)
  assert.deepEqual(read.options.map((one) => one.value), ['C'])
  await properties.coreApi.archive('contacts', name)
  await refused(404, () => properties.coreApi.getByName('contacts', name))
})

await check('pipelines', async () => {
  const all = await pipelines.pipelinesApi.getAll('deals')
  const won = all.results[0].stages.find((one) => one.id === 'closedwon')
  assert.equal(won.metadata.probability, '1.0')
  assert.equal(won.metadata.isClosed, 'true')
})

await check('owners', async () => {
  const page = await owners.ownersApi.getPage(undefined, undefined, 2)
  assert.equal(page.results.length, 2)
  const rest = await owners.ownersApi.getPage(undefined, page.paging.next.after, 2)
  assert.equal(rest.results.length, 1)
})

await check('merge: both old ids lead to the survivor', async () => {
  const loser = await contacts.basicApi.create({ properties: { email: mail('twin'), city: '札幌市' } })
  const survivor = await contacts.basicApi.merge({
    primaryObjectId: contact.id,
    objectIdToMerge: loser.id,
  })
  for (const id of [contact.id, loser.id]) {
    const found = await contacts.basicApi.getById(id, ['email', 'city', 'hs_merged_object_ids'])
    assert.equal(found.id, survivor.id)
    assert.equal(found.properties.email, mail('taro'))
    assert.equal(found.properties.city, '札幌市')
    assert.ok(found.properties.hs_merged_object_ids.includes(loser.id))
  }
  const listed = await associations.v4.basicApi.getPage('contacts', survivor.id, 'companies')
  assert.equal(`${listed.results[0].toObjectId}`, company.id)
})

await check('gdpr delete', async () => {
  const gone = await contacts.basicApi.create({ properties: { email: mail('erased') } })
  await contacts.basicApi.purge({ objectId: gone.id })
  await refused(404, () => contacts.basicApi.getById(gone.id))
})

finish('@hubspot/api-client')
