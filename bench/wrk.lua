-- What bench/load.py needs of wrk. The value that each increment was told goes to the file that is named as argument.
-- Answers of every target are read, so that each costs the client the same.

local told

function init(args)
   if args[1] then
      told = assert(io.open(args[1], "w"))
   end
end

function response(status, _, body)
   local value = body:match("count value = (%d+)")
   if told and status == 200 then
      told:write(value, "\n")
   end
end

-- The time within which half of the requests were answered. wrk has corrected its times for coordinated omission, by
-- adding to them, but none that is shorter than the mean: counted from the shortest one, the median is what it was.
local function median(latency, requests)
   local counted = 0
   for place = 1, #latency do
      local microseconds, times = latency(place)
      counted = counted + times
      if 2 * counted >= requests then
         return microseconds
      end
   end
   return 0
end

function done(summary, latency, _)
   local errors = summary.errors
   io.write(string.format(
      '{"microseconds": %d, "requests": %d, "refused": %d, "broken": %d, "late": %d, "p50": %d, "p99": %d}\n',
      summary.duration, summary.requests, errors.status, errors.connect + errors.read + errors.write, errors.timeout,
      median(latency, summary.requests), latency:percentile(99)
   ))
end
