-- Sends the bodies of a file, one a line, each request the next one; prints what came of it as one line of JSON.
-- Arguments: the file of bodies ("-": GET without a body), then pairs of header name and value.
local requests, at = {}, 0

function init(arguments)
  local headers = { ["Content-Type"] = "application/json" }
  for i = 2, #arguments, 2 do headers[arguments[i]] = arguments[i + 1] end
  if arguments[1] == "-" then
    requests[1] = wrk.format("GET", nil, headers)
  else
    for body in io.lines(arguments[1]) do requests[#requests + 1] = wrk.format("POST", nil, headers, body) end
  end
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests": %d, "seconds": %f, "p50": %f, "p99": %f, "max": %f, "refused": %d, "broken": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    latency.max / 1e3, errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
