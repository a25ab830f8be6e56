---@meta test
-- test.lua - the test kit of `zingq test`, for editors: completion, types and documentation by
-- lua-language-server (https://luals.github.io). It is never run. docs/testing.md explains; the test
-- blackbox.handler_tests compares the names here with those of the program.

---What a peer answers, or how it fails.
---@class test.Answer
---@field status integer? 200; of a mail 250
---@field json any? the body, encoded as JSON
---@field body string? the body; of a mail the server's words
---@field headers table<string, string>?
---@field after zing.Duration? it takes its time

---@alias test.Answers test.Answer|fun(call: test.Call): test.Answer

---What a database answers: rows, or an error.
---@class test.Rows
---@field rows table<string, any>[]? each with its values by column
---@field columns string[]? their order; without it that of their names
---@field count integer? rows read or changed; without it as many as `rows` has
---@field sqlstate string? an error, "23505"
---@field message string? its words
---@field after zing.Duration? it takes its time

---@alias test.SqlAnswers test.Rows|test.Answer|fun(call: test.Statement): test.Rows|test.Answer

---A statement that a handler sent with zing.sql.
---@class test.Statement
---@field database string
---@field statement string
---@field params any[] as text; test.null = null
---@field once string? the name of the zing.sql.once that it belongs to

---A call over HTTP that a handler made.
---@class test.Call
---@field method string
---@field url string
---@field path string
---@field query table<string, string>
---@field headers table<string, string> names in lower case
---@field body string
---@field json any? the decoded body, if its type is JSON
---@field form table<string, string>? the decoded body, if it is a form
---@field key string its Idempotency-Key; `""` = none

---A mail that a handler sent.
---@class test.Mail
---@field to string[]
---@field from string
---@field subject string
---@field text string
---@field headers table<string, string> names in lower case
---@field key string its Message-ID's first part

---What a handler published.
---@class test.Publish
---@field topic string
---@field payload string
---@field json any? the decoded payload
---@field properties table<string, string>
---@field qos integer
---@field retain boolean

---How a message is sent.
---@class test.SendOptions
---@field properties table<string, string>? user properties
---@field key string? `zingq-key`: in place of the service's key rule
---@field idempotency_key string?
---@field content_type string?

---@class test.Options
---@field vars table<string, string>? values in place of those of `vars {}` in topics.conf, secrets too

---`test(name, function() ... end)` is a test.
---@class test
---@overload fun(name: string, body: fun())
---@field any any anything but nil, in what is expected
---@field null any JSON's null
---@field no_answer test.Answer the call's timeout passes
---@field connection_lost test.Answer the request has left; the outcome is unknown
---@field unreachable test.Answer the request has not left
test = {}

---A world with one service of topics.conf, by its name or that of its handler without ".lua".
---@param name string
---@param options test.Options?
---@return test.Kit
function test.handler(name, options) end

---A world with several services, by their names; without any with all. What one publishes another gets.
---@param names? string[]|test.Options
---@return test.Kit
function test.services(names) end

---Fails with the difference if they are not the same.
---@param actual any
---@param expected any
function test.equal(actual, expected) end

---A table with at least these fields, in what is expected.
---@param fields table
---@return any
function test.like(fields) end

---Marks the table as a JSON array, also when it is empty.
---@param list any[]
---@return any[]
function test.array(list) end

---The world of one test: the real engine, a store in memory, a clock that stands.
---@class test.Kit
local Kit = {}

---Sends a message to each service of the test that subscribes to the topic; a table as JSON.
---@param topic string
---@param payload any?
---@param options test.SendOptions?
function Kit:send(topic, payload, options) end

---Sends several messages before the first one runs: a burst, of which a service may make a batch.
---@param topic string
---@param payloads any[]
---@param options test.SendOptions?
function Kit:send_all(topic, payloads, options) end

---Lets the clock go on: retries, timers, locks, sleeps and schedules come in their order.
---@param duration zing.Duration
function Kit:advance(duration) end

---Sends a signal for `zing.wait`.
---@param key string
---@param name string
---@param value any?
function Kit:signal(key, name, value) end

---Runs a dead letter again.
---@param letter table
function Kit:replay(letter) end

---Discards a dead letter.
---@param letter table
function Kit:discard(letter) end

---Kills the host and starts it again from its store.
function Kit:crash() end

---Answers calls that match: the first answer to the first call, the last one to all that follow.
---@param method string "*" = any
---@param url string a URL or a path, with or without its query; * stands for any characters
---@param ... test.Answers
function Kit:http(method, url, ...) end

---Answers mails; without it all are accepted.
---@param ... test.Answers
function Kit:mail(...) end

---Answers statements that match: the first answer to the first one, the last one to all that follow.
---The transactions of zing.sql.once, and what they have done, need no answers.
---@param database string "*" = any
---@param pattern string|fun(call: test.Statement): boolean the statement; * stands for any characters, a gap is a gap
---@param ... test.SqlAnswers
function Kit:sql(database, pattern, ...) end

---One of several services: for its state, locks, letters and signals.
---@param name string
---@return test.Kit
function Kit:service(name) end

---A publish on a topic that matches; a table is compared with its JSON, a string with its bytes.
---@param filter string
---@param payload any?
---@return test.Publish
function Kit:published(filter, payload) end

---Nothing (more) was published there.
---@param filter string
function Kit:not_published(filter) end

---A call that was made.
---@param method string
---@param url string
---@return test.Call
function Kit:called(method, url) end

---No (more) such call was made.
---@param method string?
---@param url string?
function Kit:not_called(method, url) end

---A statement that was executed.
---@param database string
---@param pattern string|fun(call: test.Statement): boolean
---@return test.Statement
function Kit:executed(database, pattern) end

---No (more) such statement was executed.
---@param database string?
---@param pattern (string|fun(call: test.Statement): boolean)?
function Kit:not_executed(database, pattern) end

---A mail that was sent.
---@param address string?
---@return test.Mail
function Kit:mailed(address) end

---No (more) mail was sent.
---@param address string?
function Kit:not_mailed(address) end

---A dead letter whose reason contains the text.
---@param reason string?
---@return table
function Kit:dead_letter(reason) end

---There is no (more) dead letter.
function Kit:no_dead_letter() end

---The value in the state of a key, or nil.
---@param key string
---@param name string
---@return any
function Kit:state(key, name) end

---A lock, or nil.
---@param key string
---@param name string
---@return {owner: string, data: any}?
function Kit:lock(key, name) end

---What `zing.append` wrote to the file, or nil.
---@param name string
---@return string?
function Kit:file(name) end

---All events with their histories.
---@return table[]
function Kit:events() end

---The time, in seconds since 1970.
---@return number
function Kit:now() end
