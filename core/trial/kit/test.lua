-- test.lua - the test kit: what a scripts/*_test.lua sees as `test`. docs/testing.md describes it.
--
-- It stands on trial/bind.c, which has the real engine on a store in a temporary folder, and decides
-- what the engine cannot know: when the clock moves, what peers answer, and when the host crashes.
--
-- A crash may come at every turn that stored something: right after the commit, before anything of it
-- left, and if something leaves, after all of it left, before an answer was stored. What had an
-- answer then, and belongs to an attempt that goes on, is asked again under the same key, and the
-- peer answers what it answered before, as a peer does that knows the key. So each effect counts once.

local bind, show, calls = ...

local ROUNDS_MAX = 100000            -- turns at one moment: beyond it is a loop
local MOMENT = 10                    -- milliseconds that anything takes: what is due at once is done then
local BEGIN = 1767225600000          -- 2026-01-01 00:00 UTC: every test begins then

local null = bind.decode("null")
local case                           -- the run of a test; see the end of this file
local test = {any = show.any, like = show.like, null = null}

-- ---- failing ------------------------------------------------------------------------------------

-- The line of the test, or of a helper that it requires, that is at fault.
local function place()
  for level = 2, 200 do
    local info = debug.getinfo(level, "Sl")
    if not info then return end
    if info.what ~= "C" and not info.source:find("^=test kit") then
      return info.source:gsub("^@", ""), info.currentline
    end
  end
end

local function fail(text, ...)
  local file, line = place()
  error({text = select("#", ...) > 0 and text:format(...) or text, file = file, line = line}, 0)
end

local function need(value, why)
  if value == nil then fail("%s", why) end
  return value
end

function test.equal(actual, expected)
  if not show.equal(expected, actual) then
    fail("they differ\n%s", show.diff(expected, actual))
  end
end

-- ---- a world ------------------------------------------------------------------------------------

local T = {}
T.__index = T

local function new_kit(services, vars)
  return setmetatable({services = services, vars = vars, book = {}}, T)
end

function test.handler(name, options)
  if type(name) ~= "string" then
    fail('test.handler needs the name of a service, as in test.handler("sale")')
  end
  return new_kit({name}, options and options.vars)
end

function test.services(names)
  local list = {}
  for i, name in ipairs(names or {}) do list[i] = name end
  return new_kit(list, names and names.vars)
end

function test.array(list)
  return setmetatable(list, bind.array)
end

-- What belongs to this test, and to no other that uses the same kit: made when it is first used.
local function book_of(kit)
  kit = kit.kit or kit
  local book = kit.book
  if book.case ~= case then
    local world, why = bind.open {services = kit.services, vars = kit.vars, now = BEGIN}
    need(world, why)
    book = {case = case, world = world, peers = calls.new(bind, show, fail), published = {}, seen = {},
      letters = {}}
    kit.book = book
    case.books[#case.books + 1] = book
  end
  return book
end

-- ---- turns --------------------------------------------------------------------------------------

local function note_effect(name)
  case.effects[name] = (case.effects[name] or 0) + 1
end

-- What left in this turn, in words; a publish that left before is the same publish.
local function collect(book)
  local left = {}
  for _, p in ipairs(book.world:published()) do
    if not book.seen[p.id] then
      book.seen[p.id] = true
      book.published[#book.published + 1] = p
      left[#left + 1] = "the publish on " .. p.topic
      note_effect("published on " .. p.topic)
    end
  end
  for _, call in ipairs(book.world:asked()) do
    left[#left + 1] = call.label
    book.peers:ask(call, book.world:now(), note_effect)
  end
  return left
end

local function crash(book)
  need(book.world:crash())
  book.peers:crash()
end

-- One turn; with a crash if the plan says so. Returns whether anything left.
local function turn(book)
  local world, before = book.world, book.world:commits()
  case.turns = case.turns + 1
  local plan = case.plan
  local now = plan and plan.turn == case.turns and plan
  local ok, why = world:turn(now and now.blind, now)
  need(ok, "the engine cannot go on: " .. tostring(why))
  book.peers:ended(world:endings())
  local left = collect(book)
  if now then
    crash(book)
    return true
  end
  if world:commits() > before then
    case.points[#case.points + 1] = {turn = case.turns, what = table.concat(left, ", ")}
  end
  return #left > 0
end

local function settle(book)
  for _ = 1, ROUNDS_MAX do
    local left = turn(book)
    local answered = book.peers:answer(book.world)
    if not left and not answered and not book.world:due() then
      if book.peers.problem then fail("%s", book.peers.problem) end
      return
    end
  end
  fail("the services did not come to rest within %d turns: do they publish to one another for ever?", ROUNDS_MAX)
end

local function ms_of(duration)
  local ms, why = bind.duration(duration)
  return need(ms, why)
end

local function advance(book, ms)
  local world, ends = book.world, book.world:now() + ms
  settle(book)
  while true do
    local next = math.min(world:next() or math.maxinteger, book.peers:next())
    if next >= ends then break end
    world:jump(math.max(next, world:now() + 1))
    settle(book)
  end
  world:jump(ends)
  settle(book)
end

function T:advance(duration)
  advance(book_of(self), ms_of(duration))
end

function T:crash()
  local book = book_of(self)
  crash(book)
  advance(book, MOMENT)
end

function T:now()
  return book_of(self).world:now() / 1000
end

-- ---- what comes in ------------------------------------------------------------------------------

local function text_of(payload)
  if payload == nil or type(payload) == "string" then return payload or "" end
  local text, why = bind.encode(payload)
  return need(text, "the payload cannot be JSON: " .. tostring(why))
end

local function properties_of(options)
  local list = {}
  local function add(name, value) list[#list + 1] = {name, tostring(value)} end
  for name, value in pairs(options.properties or {}) do add(name, value) end
  if options.key then add("zingq-key", options.key) end
  if options.idempotency_key then add("idempotency-key", options.idempotency_key) end
  table.sort(list, function(a, b) return a[1] < b[1] end)
  return list
end

local function wants(service, topic)
  for _, filter in ipairs(service.filters) do
    if bind.matches(filter, topic) then return true end
  end
end

-- To each service of the test that subscribes to the topic, as the broker would.
local function offer(book, topic, payload, options)
  local taken = false
  for _, service in ipairs(book.world:services()) do
    if wants(service, topic) then
      taken = true
      need(book.world:offer(service.name, topic, text_of(payload), properties_of(options), options.content_type))
    end
  end
  if not taken then
    local filters = {}
    for _, service in ipairs(book.world:services()) do
      filters[#filters + 1] = service.name .. ": " .. table.concat(service.filters, ", ")
    end
    fail('no service of this test subscribes to "%s" (%s)', topic, table.concat(filters, "; "))
  end
end

function T:send(topic, payload, options)
  local book = book_of(self)
  offer(book, topic, payload, options or {})
  advance(book, MOMENT)
end

-- All of them before the first one runs: a burst, of which a service may make a batch.
function T:send_all(topic, payloads, options)
  local book = book_of(self)
  for _, payload in ipairs(payloads) do offer(book, topic, payload, options or {}) end
  advance(book, MOMENT)
end

-- A view of one of several services, for what belongs to one.
function T:service(name)
  book_of(self)
  return setmetatable({kit = self.kit or self, name = name}, {__index = T})
end

local function service_of(kit)
  if kit.name then return kit.name end
  local list = book_of(kit).world:services()
  if #list ~= 1 then
    fail('this test runs several services: say which one, as in t:service("%s")', list[1].name)
  end
  return list[1].name
end

local function command(kit, kind, fields)
  local book = book_of(kit)
  need(book.world:command(kind, fields))
  advance(book, MOMENT)
end

function T:signal(key, name, value)
  command(self, "signal", {service = service_of(self), key = key, name = name,
    payload = value == nil and "" or text_of(value)})
end

function T:replay(letter)
  command(self, "replay", {service = letter.service, id = letter.id})
end

function T:discard(letter)
  command(self, "discard", {service = letter.service, id = letter.id})
end

-- ---- what peers answer --------------------------------------------------------------------------

function T:http(method, url, ...)
  if type(method) ~= "string" or type(url) ~= "string" or select("#", ...) == 0 then
    fail('t:http needs a method, a URL and an answer: t:http("POST", "/v1/charges", {status = 200})')
  end
  book_of(self).peers:add("http", calls.matcher(method, url), ...)
end

local function need_statement(name, database, pattern)
  local kind = type(pattern)
  if type(database) ~= "string" or kind ~= "string" and kind ~= "function" then
    fail('%s needs a database and a statement, or a function that knows it: %s("shop", "select *")', name, name)
  end
end

function T:sql(database, pattern, ...)
  need_statement("t:sql", database, pattern)
  if select("#", ...) == 0 then
    fail('t:sql needs an answer: t:sql("shop", "select *", {rows = {{id = 1}}})')
  end
  book_of(self).peers:add("sql", calls.statement_matcher(database, pattern), ...)
end

function T:mail(...)
  book_of(self).peers:add("mail", calls.matcher("*", "*"), ...)
end

test.no_answer = calls.no_answer
test.connection_lost = calls.connection_lost
test.unreachable = calls.unreachable

-- ---- what became of it --------------------------------------------------------------------------

local function first_line(text)
  return (text:match("[^\n]*"))
end

-- The events that did not end well, and why: what someone asks first when something is missing.
local function story(book)
  local lines, done = {}, 0
  for _, e in ipairs(book.world:events()) do
    local last = e.history[#e.history]
    if e.state == "done" and not last then
      done = done + 1
    elseif #lines < 10 then
      local why = e.reason ~= "" and e.reason or last and last.text or ""
      lines[#lines + 1] = ("  %s (%s): %s, attempt %d%s"):format(e.topic, e.service, e.state, e.attempts,
        why ~= "" and ": " .. first_line(why) or "")
    end
  end
  lines[#lines + 1] = ("  %d event%s done at the first attempt"):format(done, done == 1 and "" or "s")
  return "what became of the events:\n" .. table.concat(lines, "\n")
end

local function list_of(items, name)
  local lines = {}
  for i = 1, math.min(#items, 10) do lines[i] = "  " .. name(items[i]) end
  if #items > 10 then lines[11] = ("  and %d more"):format(#items - 10) end
  return #items == 0 and "  nothing" or table.concat(lines, "\n")
end

-- Takes the first that fits and that no assertion has taken; nil and the first of the right kind.
local function take(items, is_it, fits)
  local near
  for _, item in ipairs(items) do
    if not item.taken and is_it(item) then
      if fits(item) then
        item.taken = true
        return item
      end
      near = near or item
    end
  end
  return nil, near
end

local function add_json(item)
  item.json = item.json or bind.decode(item.payload)
  return item
end

local function payload_of(p, expected)
  return type(expected) == "string" and p.payload or add_json(p).json
end

local function on_topic(filter)
  return function(p) return bind.matches(filter, p.topic) end
end

function T:published(filter, expected)
  local book = book_of(self)
  local found, near = take(book.published, on_topic(filter), function(p)
    return expected == nil or show.equal(expected, payload_of(p, expected))
  end)
  if not found and near then
    fail("%s was published with another payload\n%s", near.topic, show.diff(expected, payload_of(near, expected)))
  elseif not found then
    fail("nothing%s was published on %s\npublished:\n%s\n%s", #book.published > 0 and " (more)" or "", filter,
      list_of(book.published, function(p) return p.topic .. "  " .. p.payload:sub(1, 100) end), story(book))
  end
  return add_json(found)
end

function T:not_published(filter)
  local found = take(book_of(self).published, on_topic(filter), function() return true end)
  if found then fail("%s was published: %s", found.topic, found.payload:sub(1, 400)) end
end

function T:called(method, url)
  local book = book_of(self)
  local found = take(book.peers.http, calls.matcher(method, url), function() return true end)
  if not found then
    fail("%s %s was not called%s\ncalled:\n%s\n%s", method, url, #book.peers.http > 0 and " (again)" or "",
      list_of(book.peers.http, function(c) return c.method .. " " .. c.url end), story(book))
  end
  return found
end

function T:not_called(method, url)
  local found = take(book_of(self).peers.http, calls.matcher(method or "*", url or "*"), function() return true end)
  if found then fail("%s %s was called", found.method, found.url) end
end

function T:executed(database, pattern)
  need_statement("t:executed", database, pattern)
  local book = book_of(self)
  local found = take(book.peers.sql, calls.statement_matcher(database, pattern), function() return true end)
  if not found then
    fail("%s was not executed by %s%s\nexecuted:\n%s\n%s",
      type(pattern) == "string" and '"' .. pattern .. '"' or "such a statement", database,
      #book.peers.sql > 0 and " (again)" or "", list_of(book.peers.sql, function(c) return c.label end), story(book))
  end
  return found
end

function T:not_executed(database, pattern)
  local is_it = calls.statement_matcher(database or "*", pattern or "*")
  local found = take(book_of(self).peers.sql, is_it, function() return true end)
  if found then fail("%s was executed", found.label) end
end

local function is_to(address)
  return function(mail)
    for _, to in ipairs(mail.to) do
      if address == nil or to == address then return true end
    end
  end
end

function T:mailed(address)
  local book = book_of(self)
  local found = take(book.peers.mail, is_to(address), function() return true end)
  if not found then
    fail("no mail was sent to %s\nmails:\n%s\n%s", address, list_of(book.peers.mail, function(m)
      return table.concat(m.to, ", ") .. "  " .. m.subject
    end), story(book))
  end
  return found
end

function T:not_mailed(address)
  local found = take(book_of(self).peers.mail, is_to(address), function() return true end)
  if found then fail("a mail was sent to %s: %s", table.concat(found.to, ", "), found.subject) end
end

local function letters_of(kit)
  local book, list = book_of(kit), {}
  for _, e in ipairs(book.world:events()) do
    if e.state == "dead" and (kit.name == nil or e.service == kit.name) then
      local key = e.id .. e.service .. tostring(e.ended_at) -- a replayed one may die again
      book.letters[key] = book.letters[key] or {}
      e = add_json(e)
      for name, value in pairs(e) do book.letters[key][name] = value end
      list[#list + 1] = book.letters[key]
    end
  end
  return list, book
end

function T:dead_letter(reason)
  local letters, book = letters_of(self)
  local found, near = take(letters, function() return true end, function(e)
    return reason == nil or e.reason:find(reason, 1, true) ~= nil
  end)
  if not found then
    fail("there is no%s dead letter%s%s\n%s", near and " such" or "", reason and ": " .. reason or "",
      near and "\nthere is: " .. near.reason or "", story(book))
  end
  return found
end

function T:no_dead_letter()
  local letters = letters_of(self)
  local found = take(letters, function() return true end, function() return true end)
  if found then fail("%s (%s) is a dead letter: %s", found.topic, found.service, found.reason) end
end

function T:state(key, name)
  local found = book_of(self).world:cell(service_of(self), key, name, false)
  return found and found.value
end

function T:lock(key, name)
  local book = book_of(self)
  local found = book.world:cell(service_of(self), key, name, true)
  return found and {owner = found.owner, data = found.data}
end

function T:file(name)
  return book_of(self).world:file(name)
end

function T:events()
  return book_of(self).world:events()
end

-- ---- the tests of a file ------------------------------------------------------------------------

local cases

setmetatable(test, {__call = function(_, name, body)
  if type(name) ~= "string" or type(body) ~= "function" then
    fail('a test is test("what it promises", function() ... end)')
  end
  cases[#cases + 1] = {name = name, body = body}
end})

-- An error of the test itself, or of the kit, with where it was raised.
local function describe(err)
  if type(err) == "table" and err.text then return err end
  local file, line = place()
  return {text = tostring(err):gsub("^[^\n]-:%d+: ", "", 1), file = file, line = line,
    trace = debug.traceback("", 2):gsub("^%s*", ""):gsub("%s*%[C%]: in function 'xpcall'.*", "")}
end

-- What the crash made more or less of.
local function compare(before, now)
  if show.equal(before, now) then return end
  local lines = {}
  for name, count in pairs(now) do
    if count ~= before[name] then
      lines[#lines + 1] = ("  %s: %d times instead of %d"):format(name, count, before[name] or 0)
    end
  end
  for name, count in pairs(before) do
    if now[name] == nil then lines[#lines + 1] = ("  %s: not at all instead of %d times"):format(name, count) end
  end
  table.sort(lines)
  return {text = "the crash changed how often something took effect:\n" .. table.concat(lines, "\n")}
end

-- Runs the chunk, and of its tests the one with that number (0: none, unless the chunk is the test).
-- `plan`: {turn, blind, effects} or nil. Returns what C wants to know.
return test, function(chunk, number, plan)
  cases = {}
  case = {books = {}, turns = 0, points = {}, effects = {}, plan = plan}
  local ok, failure = xpcall(chunk, describe)
  if ok and number > 0 then
    ok, failure = xpcall(cases[number].body, describe)
  end
  local problem
  for _, book in ipairs(case.books) do
    problem = problem or book.peers.problem
    book.world:close()
  end
  if ok and problem then ok, failure = false, {text = problem} end
  if ok and plan then
    failure = compare(plan.effects, case.effects)
    ok = failure == nil
  end
  local names = test.array {}
  for i, c in ipairs(cases) do names[i] = c.name end
  return {names = names, failure = not ok and failure or nil, points = test.array(case.points), effects = case.effects}
end
