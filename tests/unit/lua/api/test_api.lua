--- api_publish_stages_a_message_and_gives_its_id
local id = zing.publish('a/b', {b = 1, a = {}})
assert(id == '01920000-0000-7000-8000-000000000001')

--- api_publish_takes_its_options
zing.publish('a', 'raw', {after = '10m', qos = 0, retain = true,
key = 42, properties = {tenant = 't1', n = 3}})
zing.publish('b', nil, {at = zing.now() + 60})

--- api_cancel_stages_the_end_of_a_publish_that_waits
assert(zing.cancel('0192f0c1-0000-7000-8000-00000000000A') == true)
assert(zing.cancel('0192f0c1-0000-7000-8000-00000000000a') == false)
assert(zing.cancel('0192f0c1-0000-7000-8000-00000000000b') == false)

--- api_cancel_stages_the_end_of_a_publish_that_waits_2
local id = zing.publish('a', '')
assert(zing.cancel(id) and not zing.cancel(id))

--- api_state_reads_what_it_wrote
local s = zing.state
assert(s.get('a') == nil)
s.set('a', {n = 1, list = zing.json.array()}) assert(s.get('a').n == 1)
assert(zing.json.encode(s.get('a')) == '{"list":[],"n":1}')
s.set('b', 'bytes\0\255') assert(s.get('b') == 'bytes\0\255')
s.set('c', 2^53 | 0) assert(math.type(s.get('c')) == 'integer')
s.set('d', 1.5) s.set('e', false) assert(s.get('d') == 1.5 and s.get('e') == false)
s.delete('a') assert(s.get('a') == nil)
assert(s.incr('a', 3) == 3 and s.incr('a') == 4 and s.get('a') == 4)
assert(s.incr('f', 0.5) == 0.5)
s.set('n', zing.json.null) assert(s.get('n') == zing.json.null)

--- api_state_adds_to_what_is_stored
assert(zing.state.get('count') == 10)
assert(zing.state.incr('count') == 11)
assert(zing.state.incr('count', 5) == 16)
assert(zing.state.get('count') == 16)

--- api_state_list_merges_stored_and_staged
zing.state.set('seat/3', 'c') zing.state.delete('seat/1') zing.state.incr('seat/n', 2)
local l = zing.state.list('seat/')
assert(l['seat/1'] == nil and l['seat/2'] == 'b' and l['seat/3'] == 'c')
assert(l['seat/n'] == 7 and l['other'] == nil)
assert(zing.state.list()['other'] == 1)

--- api_peek_looks_at_another_key
assert(zing.peek('svc', 'other', 'a') == 3)
assert(zing.peek('svc', 'none', 'a') == nil)
zing.peek('nobody', 'x', 'a')

--- api_lock_is_taken_once_and_extended_by_its_owner
assert(zing.lock('A1', {owner = 'b1', ttl = '10m', data = {price = 5}}) == true)
local ok, owner, left = zing.lock('A1', {owner = 'b2'})
assert(ok == false and owner == 'b1' and left == 600)
assert(zing.lock('A1', {owner = 'b1', ttl = '20m'}) == true)
local who, secs, data = zing.lock_owner('A1')
assert(who == 'b1' and secs == 1200 and data.price == 5)
assert(zing.unlock('A1', 'b2') == false)
assert(zing.unlock('A1', 'b1') == true)
assert(zing.lock_owner('A1') == nil and zing.unlock('A1', 'b1') == false)
assert(zing.lock('A1') and zing.lock_owner('A1') == event.id)

--- api_lock_sees_the_stored_one_even_past_its_time
local ok, owner, left = zing.lock('A1', {owner = 'b2'})
assert(not ok and owner == 'b1' and left == 0)
assert(zing.unlock('A1', 'b1') and zing.lock('A1', {owner = 'b2'}))

--- api_http_waits_for_its_answer
local r = zing.http.post('http://h/x', {json = {a = 1}})
assert(r.status == 201 and r.headers['x-a'] == '1, 2')
assert(r.body == '{"id":7}' and r.json().id == 7)
zing.state.set('id', r:json().id)

--- api_http_numbers_the_keys_of_later_calls
zing.http.get('http://h/') zing.http.put('http://h/', {body = 'x'})
zing.http.delete('http://h/', {headers = {['idempotency-key'] = 'mine'}})
zing.http.request('http://h/', {method = 'PATCH', timeout = 2})

--- api_http_forms_are_encoded_like_stripes
zing.http.post('http://h/', {form = {amount = 5, source = 'a b&',
metadata = {id = 'x'}, tags = {'u', 'v'}, ['k[z]'] = true}})

--- api_http_failure_says_whether_the_request_had_left
local ok, e = pcall(zing.http.get, 'http://h/')
assert(not ok) zing.reject(e)

--- api_mail_builds_a_message_and_waits
return assert(zing.mail{to = {'Ann <ann@example.org>', 'b@c.de'},
subject = 'Your seat', text = 'Hello', html = '<p>Hello</p>',
headers = {['Reply-To'] = 'desk@example.com'}})

--- api_knows_time_ids_config_and_secrets
assert(zing.now() == 1700000000.0 and os.time() == 1700000000)
assert(os.date('!%Y') == '2023')
assert(#zing.uuid() == 36 and zing.uuid() ~= zing.uuid())
assert(zing.config.hold == '10m' and zing.config.api_key == nil)
assert(zing.secret('api_key') == 'sk_hidden')
for k, v in pairs(zing.config) do assert(v ~= 'sk_hidden') end
assert(not pcall(function() zing.config.hold = 1 end))

--- api_log_takes_any_message_and_fields
zing.log.debug('quiet', {b = 1, a = 'x y', t = {1}, n = zing.json.null})
zing.log.debug(nil) zing.log.debug({})
