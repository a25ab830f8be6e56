-- @NAME@.lua - the service "@NAME@".
--
--   @NAME@/request     {"id": "1", ...}   asks the API at vars.api_url, under the event's own key
--   @NAME@/done/<id>   what the API answered
--
-- If it raises an error, nothing was written and nothing published, and the event is tried again;
-- topics.conf says when, and how often. What no retry can mend becomes a dead letter at once:
-- zing.reject. `zingq test` runs its tests, in @NAME@_test.lua.

local API = zing.config.api_url or "http://127.0.0.1:9090"

local handlers = {}

handlers["@NAME@/request"] = function(event)
  local request = event.json -- an event that is not JSON is a dead letter and stops here
  local answer = zing.http.post(API .. "/@NAME@", {json = request})
  if answer.status == 429 or answer.status >= 500 then
    error("the API answered " .. answer.status, 0)
  elseif answer.status >= 300 then
    zing.reject(("the API refused it: %d %s"):format(answer.status, answer.body))
  end
  zing.state.set("answer", answer.json()) -- the state of this id
  zing.publish("@NAME@/done/" .. event.key, answer.json())
end

return handlers
