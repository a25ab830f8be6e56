-- sql.lua - the databases of a test: what they do by themselves, whatever the test's answers are.
--
-- zing.sql.once is the real one. Its own statements, which begin and commit the transaction and look
-- for what was done, are answered here, as by PostgreSQL with the table zingq_done. So a test gives
-- answers to the handler's statements only, and a COMMIT that has left stays done after a crash.

local sql = {}

local Databases = {}
Databases.__index = Databases

function sql.new()
  return setmetatable({done = {}, sessions = {}}, Databases)
end

local aborted = {sqlstate = "25P02",
  message = "current transaction is aborted, commands ignored until end of transaction block"}
local read_only = {sqlstate = "25006", message = "cannot execute this in a read-only transaction"}

-- The row of zingq_done, in which no result is one that is not known yet.
local function row_of(result)
  return {rows = {{result = result}}, columns = {"result"}}
end

local function first_word(statement)
  return (statement:match("^%s*(%a*)"):lower())
end

local reading = {select = true, values = true, table = true, show = true, with = true}

-- What a test sees of it; a statement inside of once has a key there, so that a transaction that a
-- crash cut short says the same again.
function Databases:open(call)
  call.database, call.statement = call.url, call.body
  local session = self.sessions[call.session]
  if call.scope == "within" then
    session.count = session.count + 1
    call.key = session.key .. "/" .. session.count
    call.once = session.name
  end
end

-- The answer to a statement that the test is not asked about, or nil.
function Databases:answer(call, note_effect)
  local session, done = self.sessions[call.session], self.done[call.key]
  if call.scope == "begin" then
    self.sessions[call.call] = {key = call.key, name = call.params[3], count = 0}
    return row_of(done)
  elseif call.scope == "repeats" then
    return {}
  elseif call.scope == "reads" then
    if call.key ~= "" then return done and row_of(done) or {} end
    return not reading[first_word(call.statement)] and read_only or nil
  elseif session and session.failed then
    return first_word(call.statement) ~= "rollback" and aborted or nil
  elseif call.scope == "commit" then
    if not done then note_effect("sql " .. call.database .. ": zing.sql.once") end
    self.done[call.key] = call.params[5]
    return {count = 1}
  end
end

-- After an error only a rollback to a savepoint lets the transaction go on.
function Databases:answered(call, result)
  local session = self.sessions[call.session]
  if session then session.failed = result.status ~= 0 end
end

function Databases:crash()
  self.sessions = {}
end

return sql
