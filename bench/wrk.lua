-- What bench/load.py needs of wrk. With a file's name as argument, the value that each increment was told goes there;
-- without one, answers are not even read, so that nothing is spent on them.

function init(args)
   if args[1] then
      local told = assert(io.open(args[1], "w"))
      response = function(status, _, body)
         if status == 200 then
            told:write(body:match("count value = (%d+)"), "\n")
         end
      end
   end
end

function done(summary, latency, _)
   local errors = summary.errors
   io.write(string.format(
      '{"microseconds": %d, "requests": %d, "refused": %d, "broken": %d, "late": %d, "p50": %d, "p99": %d}\n',
      summary.duration, summary.requests, errors.status, errors.connect + errors.read + errors.write, errors.timeout,
      latency:percentile(50), latency:percentile(99)
   ))
end
