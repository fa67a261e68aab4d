"""What a balancer answers by itself, and the Lua that Envoy runs where its configuration has no words.

https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/lua_filter
"""

from __future__ import annotations

TITLES = {
    301: "301 Moved Permanently",
    302: "302 Found",
    502: "502 Bad Gateway",
    503: "503 Service Temporarily Unavailable",
    504: "504 Gateway Time-out",
}

# why Envoy has no response of an endpoint (its response flags) -> the status that a client is to see
# https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage#response-flags
FAILURES = (
    (("UT", "SI"), 504),
    (("UH", "NC", "UO"), 503),
    (("UF", "UC", "UPE", "UR", "LR", "URX"), 502),
)


def page(status: int) -> str:
    """Return the small HTML page for a status."""
    title = TITLES[status]
    return (
        f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n"
        "</body>\r\n</html>\r\n"
    )


# the client's address is appended here because Envoy, for a client on this machine, would append its own
_APPEND_ADDRESS = """
  local address = handle:streamInfo():downstreamDirectRemoteAddress()
  {strip}
  local before = headers:get("x-forwarded-for")
  headers:replace("X-Forwarded-For", before and before .. ", " .. address or address)
"""
_STRIP_PORT = 'address = address:gsub(":%d+$", "")'
_TRACE = """
  local id = string.format("1-%08x-%08x%08x%08x", os.time(), math.random(0, 0xffffffff),
    math.random(0, 0xffffffff), math.random(0, 0xffffffff))
  local root = headers:get("{header}")
  headers:replace("{header}", root and "Self=" .. id .. ";" .. root or "Root=" .. id)
"""


def on_request(*, append_address: bool, client_port: bool, trace_header: str | None) -> str | None:
    """Return the script that changes the headers of every request, or None where nothing is to be changed."""
    body = ""
    if append_address:
        body += _APPEND_ADDRESS.format(strip="" if client_port else _STRIP_PORT)
    if trace_header is not None:
        body += _TRACE.format(header=trace_header)
    if not body:
        return None
    return f"{_SEED}function envoy_on_request(handle)\n  local headers = handle:headers()\n{body}end\n"


# the two workers, and one Envoy and the next, must not draw the same numbers
_SEED = 'math.randomseed(os.time() + tonumber(tostring({}):match("0x(%x+)"), 16) % 2147483647)\n'


# the parts of the location come as the route's filter context: what a user wrote is never part of a script
REDIRECT = """
function envoy_on_request(handle)
  local headers, context = handle:headers(), handle:filterContext()
  local authority, target = headers:get(":authority") or "", headers:get(":path") or "/"
  local path, query = target:match("^/?([^?]*)%??(.*)$")
  local parts = {
    protocol = headers:get("x-forwarded-proto") or "http",
    host = (authority:gsub(":%d+$", "")),
    port = authority:match(":(%d+)$") or context:get("listener_port"),
    path = path,
    query = query,
  }
  local function filled(name)
    return (context:get(name):gsub("#{(%a+)}", function(part) return parts[part] end))
  end
  local location = filled("protocol"):lower() .. "://" .. filled("host") .. ":" .. filled("port") .. filled("path")
  local wanted = filled("query")
  if wanted ~= "" then
    location = location .. "?" .. wanted
  end
  local answer = {[":status"] = context:get("status"), ["location"] = location, ["content-type"] = "text/html"}
  handle:respond(answer, context:get("page"))
end
"""
