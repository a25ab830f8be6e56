-- log_aggregator.lua - the service "logs": log lines from MQTT into files by day, and how many of each
-- level came in each minute.
--
--   logs/<app>/<level>   a line of text
--
-- Its key is the level: lines of one level are counted one after the other, so no count is lost; levels
-- do not wait for each other. A line is written and counted in one commit: whatever happens, both or
-- neither, once.
--
--   files/logs-<day>.log             <time> <level> <app> <line>
--   logs-per-minute/<level>          retained: {"minute": "2026-11-25T22:06Z", "level": "error", "count": 17}

local function stamp(format, seconds)
  return os.date("!" .. format, math.floor(seconds))
end

-- A line stays a line: control characters would break the file's.
local function clean(text)
  return (text:gsub("%c", " "))
end

return function(event)
  local app, level = event.levels[2], event.levels[3]
  if #event.levels ~= 3 then
    zing.reject("a log line goes to logs/<app>/<level>")
  end
  zing.append("logs-" .. stamp("%Y-%m-%d", event.received_at) .. ".log", ("%s %s %s %s"):format(
    stamp("%Y-%m-%dT%H:%M:%SZ", event.received_at), level, app, clean(event.payload)))

  -- One counter a minute; it goes away by itself when nobody looks any more.
  local minute = stamp("%Y-%m-%dT%H:%MZ", event.received_at)
  local name = "count/" .. minute
  local count = (zing.state.get(name) or 0) + 1
  zing.state.set(name, count, {ttl = "1h"})
  zing.publish("logs-per-minute/" .. level, {minute = minute, level = level, count = count},
    {retain = true})
end
