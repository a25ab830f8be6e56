-- calls.lua - the peers of a test: who is called, over HTTP, by mail or as a database, and what they
-- answer.

local sql = ...

local calls = {
  no_answer = {name = "test.no_answer"},
  connection_lost = {name = "test.connection_lost"},
  unreachable = {name = "test.unreachable"},
}

local silent = {
  [calls.no_answer] = {failed = "timeout", sent = true},
  [calls.connection_lost] = {failed = "network", sent = true},
  [calls.unreachable] = {failed = "network", sent = false},
}

-- ---- which call is meant ------------------------------------------------------------------------

-- A URL as it is, a path, either without the query; * stands for any characters.
local function forms_of(url)
  local bare = url:match("^[^?#]*")
  local path = url:match("^%a+://[^/?#]*(.*)") or url
  return {url, bare, path, path:match("^[^?#]*")}
end

-- As a pattern of Lua.
local function whole(pattern)
  return "^" .. pattern:gsub("[%^%$%(%)%%%.%[%]%+%-%?]", "%%%0"):gsub("%*", ".*") .. "$"
end

local function is_url(pattern, url)
  for _, form in ipairs(forms_of(url)) do
    if form:find(whole(pattern)) then return true end
  end
  return false
end

function calls.matcher(method, url)
  return function(call)
    return (method == "*" or call.method == method) and (url == "*" or is_url(url, call.url))
  end
end

-- On one line.
local function flat(statement)
  return (statement:gsub("%s+", " "):gsub("^ ", ""):gsub(" $", ""))
end

function calls.statement_matcher(database, pattern)
  local is_it = type(pattern) == "function" and pattern or function(call)
    return flat(call.statement):find(whole(flat(pattern))) ~= nil
  end
  return function(call)
    return (database == "*" or call.database == database) and is_it(call)
  end
end

-- ---- a call as the test sees it -----------------------------------------------------------------

local function unescape(text)
  return (text:gsub("+", " "):gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

local function form_of(body)
  local form = {}
  for name, value in body:gmatch("([^&=]+)=([^&]*)") do form[unescape(name)] = unescape(value) end
  return form
end

local function headers_of(lines)
  local headers = {}
  for _, line in ipairs(lines) do
    local name, value = line:match("^([^:]+):%s*(.*)")
    if name then headers[name:lower()] = value end
  end
  return headers
end

local function open_http(bind, call)
  call.headers = headers_of(call.lines)
  local kind = call.headers["content-type"] or ""
  call.path = forms_of(call.url)[4]
  call.query = form_of(call.url:match("%?([^#]*)") or "")
  if kind:find("json", 1, true) then call.json = bind.decode(call.body) end
  if kind:find("form-urlencoded", 1, true) then call.form = form_of(call.body) end
end

local base64 = {}
for i, c in ipairs {("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"):byte(1, -1)} do
  base64[c] = i - 1
end

local function decode_base64(text)
  local out, bits, held = {}, 0, 0
  for i = 1, #text do
    local value = base64[text:byte(i)]
    if value then
      bits, held = bits << 6 | value, held + 6
      if held >= 8 then
        held = held - 8
        out[#out + 1] = string.char(bits >> held & 255)
      end
    end
  end
  return table.concat(out)
end

local function unquote(body)
  return (body:gsub("=\r?\n", ""):gsub("=(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

-- As zing.mail writes it (RFC 5322, 2045, 2047): the subject and the first part of the body.
local function open_mail(call)
  local head, body = call.body:match("^(.-)\r\n\r\n(.*)$")
  head = (head or call.body):gsub("\r\n[ \t]+", "")
  call.headers = {}
  for line in head:gmatch("[^\r\n]+") do
    local name, value = line:match("^([^:]+):%s*(.*)")
    if name then call.headers[name:lower()] = value end
  end
  call.subject = (call.headers.subject or ""):gsub("=%?UTF%-8%?B%?([^?]*)%?=", decode_base64)
  local boundary = (call.headers["content-type"] or ""):match('boundary="([^"]+)"')
  local encoding = call.headers["content-transfer-encoding"] or ""
  if boundary and body then
    local at = select(2, body:find("--" .. boundary, 1, true))
    local part = body:sub(at + 1)
    encoding, body = part:match("^(.-)\r\n\r\n(.*)$")
    local ends = body:find("--" .. boundary, 1, true)
    body = body:sub(1, ends and ends - 1)
  end
  body = body or ""
  call.text = (encoding:find("quoted", 1, true) and unquote(body) or body):gsub("\r\n", "\n")
end

-- ---- answers ------------------------------------------------------------------------------------

local Peers = {}
Peers.__index = Peers

function calls.new(bind, show, fail)
  return setmetatable({bind = bind, show = show, fail = fail, stubs = {}, http = {}, mail = {}, sql = {},
    databases = sql.new(), waiting = {}, given = {}, again = {}, keys = {}}, Peers)
end

function Peers:add(kind, is_it, ...)
  table.insert(self.stubs, 1, {kind = kind, is_it = is_it, answers = {...}, used = 0})
end

-- The test's next answer to the call; nil: there is none.
local function next_answer(self, call)
  for _, stub in ipairs(self.stubs) do
    if stub.kind == call.kind and stub.is_it(call) then
      stub.used = math.min(stub.used + 1, #stub.answers)
      local answer = stub.answers[stub.used]
      if type(answer) == "function" then answer = answer(call) end
      return answer
    end
  end
  return call.kind == "mail" and {status = 250} or nil
end

-- The same for an answer that does not come. Of a statement that only reads, or that a COMMIT is to
-- follow, it is known that it has changed nothing.
local function silence(call, answer)
  local how = silent[answer]
  local open = call.kind ~= "sql" or call.scope == "alone"
  return {failed = how.failed, sent = open and how.sent}, answer == calls.no_answer and call.timeout or 0
end

local function rows_of(self, call, answer)
  local written = {}
  for name, value in pairs(answer) do
    if name ~= "after" then written[name] = value end
  end
  local result, why = self.bind.rows(written)
  return result or self.fail("the answer to %s: %s", call.label, why)
end

-- As the call's result in C, and how long it takes.
local function result_of(self, call, answer)
  if silent[answer] then return silence(call, answer) end
  if type(answer) ~= "table" then
    self.fail("the answer to %s must be a table such as %s, not %s", call.label,
      call.kind == "sql" and "{rows = {}}" or "{status = 200}", self.show.value(answer))
  end
  local after = answer.after and (self.bind.duration(answer.after) or self.fail("after: it is not a duration")) or 0
  if after > call.timeout then return silence(call, calls.no_answer) end
  if call.kind == "sql" then return rows_of(self, call, answer), after end
  local lines, body = {}, answer.body or ""
  for name, value in pairs(answer.headers or {}) do
    lines[#lines + 1] = name:lower() .. ": " .. tostring(value) .. "\n"
  end
  table.sort(lines)
  if answer.json ~= nil then
    body = self.bind.encode(answer.json) or self.fail("json: it cannot be encoded")
    lines[#lines + 1] = "content-type: application/json\n"
  end
  local refused = call.kind == "mail" and (answer.status or 250) >= 400
  return {status = answer.status or (call.kind == "mail" and 250 or 200), body = body,
    headers = table.concat(lines), error = refused and body or ""}, after
end

local function name_of(call)
  return call.kind .. " " .. call.method .. " " .. call.url .. " " .. call.key
end

-- What the peer answered before the crash, to a call whose attempt begins anew. A database does not
-- know keys: another statement is another one.
local function answer_again(self, call)
  local of_event = self.again[call.event]
  local list = of_event and call.key ~= "" and of_event[name_of(call)]
  local before = list and table.remove(list, 1)
  if before and call.kind == "sql" then
    return self.show.equal(before.params, call.params) and before.body == call.body and before.result, before.after
  elseif before and before.body ~= call.body then
    self.problem = ("%s was asked again after the crash under the same key, %s, but differently\n%s"):format(
      call.label, call.key, self.show.diff(before.body, call.body))
  end
  if before then return before.result, before.after end
end

local function keep_answer(self, call, result, after)
  local of_event = self.given[call.event] or {}
  self.given[call.event] = of_event
  local list = of_event[name_of(call)] or {}
  of_event[name_of(call)] = list
  list[#list + 1] = {body = call.body, params = call.params, result = result, after = after}
end

local function hint_of(call)
  if call.kind == "sql" then return ('t:sql("%s", %q, {rows = {}})'):format(call.database, flat(call.statement)) end
  return ('t:http("%s", "%s", {status = 200, json = {}})'):format(call.method, call.path or call.url)
end

-- The test's answer to a call that it sees.
local function asked(self, call, note_effect)
  table.insert(self[call.kind], call)
  if call.key ~= "" and call.scope ~= "within" and not self.keys[name_of(call)] then
    self.keys[name_of(call)] = true
    note_effect(call.label)
  end
  local answer = next_answer(self, call)
  if answer == nil then
    self.problem = self.problem or ("%s was called, and the test has no answer for it: give it one before, as in\n  %s")
      :format(call.label, hint_of(call))
    answer = calls.unreachable
  end
  local result, after = result_of(self, call, answer)
  if result.sent ~= false then keep_answer(self, call, result, after) end
  return result, after
end

-- A call came: its answer is found now, and given when it is due.
function Peers:ask(call, now, note_effect)
  local own
  if call.kind == "http" then
    open_http(self.bind, call)
  elseif call.kind == "mail" then
    open_mail(call)
  elseif call.kind == "sql" then
    self.databases:open(call)
    own = self.databases:answer(call, note_effect)
  else
    self.problem = call.label .. ": a test cannot answer this"
    own = calls.unreachable
  end
  local result, after
  if own then
    result, after = result_of(self, call, own)
  else
    result, after = answer_again(self, call)
    if not result then result, after = asked(self, call, note_effect) end
  end
  if call.kind == "sql" then self.databases:answered(call, result) end
  self.waiting[#self.waiting + 1] = {call = call.call, at = now + after, result = result}
end

-- Gives the answers that are due; whether there were any.
function Peers:answer(world)
  local rest, any = {}, false
  for _, w in ipairs(self.waiting) do
    if w.at <= world:now() then
      any = world:answer(w.call, w.result) or any
    else
      rest[#rest + 1] = w
    end
  end
  self.waiting = rest
  return any
end

function Peers:next()
  local at = math.maxinteger
  for _, w in ipairs(self.waiting) do at = math.min(at, w.at) end
  return at
end

-- Attempts ended: what was answered to them is not asked again.
function Peers:ended(events)
  for _, id in ipairs(events) do
    self.given[id] = nil
    self.again[id] = nil
  end
end

function Peers:crash()
  self.databases:crash()
  self.again, self.given, self.waiting = self.given, {}, {}
end

return calls
