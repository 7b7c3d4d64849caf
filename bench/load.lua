-- What wrk sends and how it reports: the body is the file named by BENCH_BODY, the result one line of JSON. Where
-- BENCH_FIRST is set each request is another: what stands in the body as BENCH_NUMBER is counted up from there.
local file = assert(io.open(os.getenv("BENCH_BODY"), "rb"))
wrk.method = "POST"
wrk.body = file:read("*a")
wrk.headers["Content-Type"] = "application/json"
file:close()

local first = os.getenv("BENCH_FIRST")
if first then
   local number, placeholder, before, after = tonumber(first), os.getenv("BENCH_NUMBER"), nil, nil

   function init()
      local whole = wrk.format()
      local from, to = assert(whole:find(placeholder, 1, true))
      before, after = whole:sub(1, from - 1), whole:sub(to + 1)
   end

   function request()
      number = number + 1
      return before .. string.format("%0" .. #placeholder .. ".0f", number) .. after
   end
end

done = function(summary, latency, requests)
   local errors = summary.errors
   io.write(string.format(
      '\nRESULT {"requests":%d,"microseconds":%d,"received_bytes":%d,"p50_us":%d,"p99_us":%d,"errors":%d}\n',
      summary.requests, summary.duration, summary.bytes, latency:percentile(50), latency:percentile(99),
      errors.connect + errors.read + errors.write + errors.timeout + errors.status))
end
