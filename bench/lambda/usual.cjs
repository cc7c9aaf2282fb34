// npm's dynamodb-stream-elasticsearch behind the Runtime API, with its quickest settings: in bulk,
// connections kept, no refresh.
const { pushStream } = require('dynamodb-stream-elasticsearch')

const base = `http://${process.env.AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/invocation`
const settings = {
  index: process.env.ES_INDEX,
  endpoint: process.env.HOST,
  useBulk: true,
  keepAlive: true,
  refresh: false
}

async function main () {
  for (;;) {
    const invocation = await fetch(`${base}/next`)
    const id = invocation.headers.get('lambda-runtime-aws-request-id')
    await pushStream({ ...settings, event: await invocation.json() })
    const answer = await fetch(`${base}/${id}/response`, { method: 'POST', body: '{"batchItemFailures":[]}' })
    await answer.text()
  }
}

main().catch((error) => {
  console.error(error)
  process.exit(1)
})
