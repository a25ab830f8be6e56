---@meta zing
-- zing.lua - the API of handlers, for editors: completion, types and documentation by lua-language-server
-- (https://luals.github.io). It is never run. docs/lua-api.md explains; the test blackbox.editor compares
-- the names here with those of the program.
--
-- In a project's .luarc.json:
--     { "runtime.version": "Lua 5.4", "workspace.library": ["/usr/local/share/zingq/lua"] }

---Seconds (`1.5`), or a string with a unit: `"250ms"`, `"10s"`, `"5m"`, `"24h"`, `"7d"`.
---@alias zing.Duration number|string

---What JSON can represent: nil, booleans, numbers, strings, tables of them, `zing.json.null`.
---@alias zing.Value any

---The event that a handler gets. Fields are created when they are first read; a misspelt name raises an error.
---@class zing.Event
---@field id string the event's UUID, the same in every attempt
---@field topic string
---@field levels string[] the topic's levels
---@field payload string the bytes
---@field json any the decoded payload; reading it makes the event a dead letter if the payload is not JSON
---@field key string found by the service's key rule; `""` without a rule
---@field properties table<string, string> MQTT user properties
---@field attempt integer 1 in the first attempt
---@field received_at number when it was accepted, in seconds since 1970
---@field service string
---@field qos integer
---@field replayed boolean whether a person replayed it
---@field content_type string? as the publisher set it
---@field response_topic string? as the publisher set it
---@field cause string? the id of the event whose handler published this one
---@field cancelled fun(): boolean whether a person has cancelled the event; a long run gives way to others there

---The lock that `on_lock_expired` gets.
---@class zing.ExpiredLock
---@field name string
---@field owner string
---@field data zing.Value as given to `zing.lock`
---@field expires_at number seconds since 1970
---@field key string

---What a script returns: one function, or topic filters with their functions.
---@alias zing.Handler fun(event: zing.Event)|table<string, fun(event: zing.Event)>

---What the script named by `retry` returns: `{after = 30}` or `{dead = "reason"}`. It must not stage or wait.
---@alias zing.RetryPolicy fun(event: zing.Event, err: string): {after: zing.Duration?, dead: string?}

---What the script named by `dead_letter` returns. With `"discard"` the event is not kept.
---@alias zing.DeadLetterPolicy fun(event: zing.Event, reason: string): "discard"?

---@class zing
---@field config table<string, string> the values of `vars {}` in topics.conf; secrets are not among them
zing = {}

-- ---- messages ---------------------------------------------------------------------------------

---@class zing.PublishOptions
---@field after zing.Duration? publish after this time
---@field at number? publish at this time, in seconds since 1970
---@field qos 0|1|2? default 1
---@field retain boolean? the broker keeps it for the topic
---@field properties table<string, string>? user properties; names that begin with `zingq-` are refused
---@field key string|integer? the ordering key for services that receive it, in place of their key rule
---@field priority integer? 0 to 9, how urgent it is for services that receive it, overriding their rule
---@field content_type string?
---@field response_topic string?
---@field correlation string?
---@field replace string? with `after` or `at`: what waits under this name is taken back
---@field max_wait zing.Duration? with `replace` and `after`: how long it may be put off, from the first one on

---Stages a message, sent after the commit, at least once and always under the same id. A table is sent as JSON.
---
---    zing.publish("email/send", {to = b.email, subject = "Your seat"}, {after = "10m", key = b.email})
---@param topic string without wildcards
---@param payload zing.Value a string is sent as it is
---@param options zing.PublishOptions?
---@return string id for `zing.cancel`
function zing.publish(topic, payload, options) end

---Takes back a delayed publish, or one of this attempt.
---@param id string what `zing.publish` returned
---@return boolean false if none waits: it was sent or cancelled before
function zing.cancel(id) end

---Answers an MQTT 5 request: publishes to the event's response topic with its correlation data.
---@param payload zing.Value
---@return string? id nil without a response topic
function zing.reply(payload) end

---Appends a line to `files/<file>` in the data folder, once per event.
---@param file string a plain name; it belongs to the service that wrote it first
---@param line string without a line break
function zing.append(file, line) end

---Adds another payload, not this event, to the service's dead letters. The handler continues.
---@param payload zing.Value
---@param reason string?
---@return string id
function zing.dead_letter(payload, reason) end

-- ---- state ------------------------------------------------------------------------------------

---The service's values of the event's key. Names have 1 to 160 bytes, values at most 1 MiB.
zing.state = {}

---@param name string
---@return zing.Value value nil if there is none
function zing.state.get(name) end

---@param name string
---@param value string|number|boolean|table
---@param options {ttl: zing.Duration?}? with `ttl` it expires
function zing.state.set(name, value, options) end

---@param name string
function zing.state.delete(name) end

---Adds to a number; a missing one counts as 0.
---@param name string
---@param by number? default 1
---@return number value the new one
function zing.state.incr(name, by) end

---@param prefix string?
---@return table<string, zing.Value> values by name
function zing.state.list(prefix) end

---The committed value of another key, or another service. Waits if another host has the key.
---@param service string
---@param key string
---@param name string
---@return zing.Value value nil if there is none
function zing.peek(service, key, name) end

-- ---- locks ------------------------------------------------------------------------------------

---@class zing.LockOptions
---@field owner string? default: the event's id
---@field ttl zing.Duration? without it the lock never expires
---@field data zing.Value? what `on_lock_expired` and `zing.lock_owner` return

---Acquires a lock of this service and key, or extends it for the same owner.
---
---    local held, owner = zing.lock("seat/" .. b.seat, {owner = b.booking_id, ttl = "5m"})
---@param name string
---@param options zing.LockOptions?
---@return boolean held
---@return string? owner if another one holds it
---@return number? seconds_left nil if it does not expire
function zing.lock(name, options) end

---@param name string
---@param owner string? default: the event's id
---@return boolean released
---@return string? owner if another one holds it
function zing.unlock(name, owner) end

---@param name string
---@return string? owner nil if nobody holds it
---@return number? seconds_left
---@return zing.Value data
function zing.lock_owner(name) end

-- ---- calls ------------------------------------------------------------------------------------

---@class zing.HttpOptions
---@field json zing.Value? sent as JSON
---@field form table? sent as `application/x-www-form-urlencoded`
---@field body string? sent as it is
---@field headers table<string, string>?
---@field timeout zing.Duration? default 10 s
---@field reconcile (fun(key: string): zing.HttpAnswer?)? finds out what became of an earlier try; may only read
---@field sign string? a secret, `whsec_…`: signs as Standard Webhooks describe
---@field method string? for `zing.http.request`; default `"GET"`

---@class zing.HttpAnswer
---@field status integer
---@field headers table<string, string> names in lower case
---@field body string
---@field json fun(): any decodes the body; raises if it is not JSON

---Calls wait without blocking other keys. Any status is an answer; no answer raises an error, which begins
---with `outcome unknown:` if the request had been sent. Left uncaught, the event is retried under the same
---`Idempotency-Key`.
zing.http = {}

---@param url string
---@param options zing.HttpOptions?
---@return zing.HttpAnswer
function zing.http.get(url, options) end

---@param url string
---@param options zing.HttpOptions?
---@return zing.HttpAnswer
function zing.http.post(url, options) end

---@param url string
---@param options zing.HttpOptions?
---@return zing.HttpAnswer
function zing.http.put(url, options) end

---@param url string
---@param options zing.HttpOptions?
---@return zing.HttpAnswer
function zing.http.delete(url, options) end

---@param url string
---@param options zing.HttpOptions?
---@return zing.HttpAnswer
function zing.http.request(url, options) end

---A signed POST, as Standard Webhooks describe.
---@param url string
---@param payload string|table
---@param options {secret: string, headers: table<string, string>?, timeout: zing.Duration?}
---@return zing.HttpAnswer
function zing.webhook(url, payload, options) end

---What a statement gave: rows by column name, the columns in their order, and how many rows were read or changed.
---@class zing.SqlResult
---@field rows table<string, any>[]
---@field columns string[]
---@field count integer

---Sends one statement to a database of topics.conf and waits for its result. An error is an object,
---`{message, sqlstate, final}`. The statement takes effect at least once.
---
---    local found = zing.sql("shop", "select price from items where id = $1", {order.item})
---@class zing.Sql
---@overload fun(database: string, statement: string, params: any[]?, options: {timeout: zing.Duration?}?): zing.SqlResult
zing.sql = {}

---Runs `fn` in one transaction that takes effect exactly once for this event.
---@generic T
---@param database string
---@param name string once in an event
---@param fn fun(): T waits for nothing but `zing.sql` of the same database
---@return T
function zing.sql.once(database, name, fn) end

---@class zing.Mail
---@field to string|string[] up to 100 recipients with `cc` and `bcc`
---@field cc string|string[]?
---@field bcc string|string[]? in no header
---@field from string? default `vars.mail_from`
---@field subject string?
---@field text string? UTF-8
---@field html string?
---@field headers table<string, string>?

---Sends a mail through `vars.smtp_url` and waits until the server has accepted it.
---@param mail zing.Mail
---@return true
function zing.mail(mail) end

-- ---- durable execution ------------------------------------------------------------------------

---Runs `fn` once for this event: its result is on disk before the next line runs.
---
---    local charge = zing.step("charge", function() return pay(order) end)
---@generic T
---@param name string the step's identity, once in a run
---@param fn fun(): T
---@return T
function zing.step(name, fn) end

---@class zing.Saga
local saga = {}

---A step that is undone, in reverse order, when the event fails for good.
---@generic T
---@param name string
---@param action fun(): T
---@param compensation fun(result: T?, how: "done"|"unknown")?
---@return T
function saga:step(name, action, compensation) end

---@return zing.Saga
function zing.saga() end

---Suspends the event; nothing is kept in memory. It runs again from its first line when the time has come.
---@param duration zing.Duration
---@param name string? identifies the sleep; by default its order does
function zing.sleep(duration, name) end

---Waits for a signal to this service and key.
---@param name string
---@param timeout zing.Duration? without it: for ever
---@return zing.Value value nil after the timeout
---@return "timeout"? why
function zing.wait(name, timeout) end

---Waits for `n` signals of one name, at most 10,000.
---@param name string
---@param n integer
---@param timeout zing.Duration?
---@return zing.Value[]? values in the order of arrival; nil after the timeout
---@return "timeout"? why
function zing.wait_all(name, n, timeout) end

---Sends a signal, staged like a publish.
---@param service string
---@param key string
---@param name string
---@param value zing.Value? default true
function zing.signal(service, key, name, value) end

-- ---- ending the attempt: these do not return, and pcall does not catch them ---------------------

---The attempt failed; the event is retried after that time, or by its schedule.
---@param after zing.Duration?
---@param reason string?
function zing.retry(after, reason) end

---The same after the time in the answer's `Retry-After`.
---@param answer zing.HttpAnswer
---@param reason string?
function zing.retry_after(answer, reason) end

---Runs again after that time; not counted as a failed attempt.
---@param after zing.Duration
function zing.snooze(after) end

---The whole service pauses, or only the event's key; not counted as a failed attempt.
---
---    if answer.status == 429 then zing.throttle(answer, "30s") end
---@param after zing.Duration|zing.HttpAnswer
---@param otherwise zing.Duration|{key: boolean?}|nil when the answer has no `Retry-After`
---@param options {key: boolean?}?
function zing.throttle(after, otherwise, options) end

---Becomes a dead letter immediately.
---@param reason string?
function zing.reject(reason) end

-- ---- texts and codes --------------------------------------------------------------------------

zing.json = {}

---JSON's null, which is a value and true in a condition.
zing.json.null = nil

---@param value zing.Value
---@return string
function zing.json.encode(value) end

---@param text string
---@return any
function zing.json.decode(text) end

---Marks a table as an array, so that an empty one is `[]`.
---@generic T: table
---@param t T?
---@return T
function zing.json.array(t) end

zing.crypto = {}

---@param data string
---@return string digest 32 bytes
function zing.crypto.sha256(data) end

---@param data string
---@return string digest 64 bytes
function zing.crypto.sha512(data) end

---@param key string
---@param data string
---@param digest "sha256"|"sha512"|nil default `"sha256"`
---@return string code
function zing.crypto.hmac(key, data, digest) end

---Whether both are the same; takes as long wherever they differ.
---@param a string
---@param b string
---@return boolean
function zing.crypto.equal(a, b) end

---@param bytes string
---@return string
function zing.crypto.hex(bytes) end

---@param text string
---@return string? bytes
---@return "not hex"? why
function zing.crypto.unhex(text) end

---@param bytes string
---@param alphabet "url"?
---@return string
function zing.crypto.base64(bytes, alphabet) end

---@param text string
---@param alphabet "url"?
---@return string? bytes
---@return "not base64"? why
function zing.crypto.unbase64(text, alphabet) end

---Random bytes, others in every attempt: keep what must stay the same in a step.
---@param n integer up to 65,536
---@return string
function zing.crypto.random(n) end

-- ---- the rest ---------------------------------------------------------------------------------

---Lines of the program's log, written immediately, with the service and the event's id.
zing.log = {}

---Written under `zingq dev` and `zingq try`, elsewhere with `log { handler = debug }`.
---@param message string
---@param fields table<string, any>?
function zing.log.debug(message, fields) end

---@param message string
---@param fields table<string, any>?
function zing.log.info(message, fields) end

---@param message string
---@param fields table<string, any>?
function zing.log.warn(message, fields) end

---@param message string
---@param fields table<string, any>?
function zing.log.error(message, fields) end

---@return number seconds since 1970, with a fraction
function zing.now() end

---@return string a new UUIDv7
function zing.uuid() end

---A value of `vars {}` that the service's `secrets` list names.
---@param name string
---@return string
function zing.secret(name) end
