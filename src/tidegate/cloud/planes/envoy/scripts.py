"""The Lua that Envoy runs where its configuration has no words: one script a listener, and one for redirects.

https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/lua_filter

What a user wrote is never part of a script: it comes as metadata, as a route's filter context, or in a header.
"""

from __future__ import annotations

from tidegate.cloud.planes.envoy.config import Forward, Listener, Session

REWRITES = "tidegate.rewrite"  # the metadata with what `host` and `url` are rewritten to
MEMORY = "tidegate"  # the metadata that a script leaves for itself and for logs
KEEP_HEADER = "x-tidegate-keep"  # of a response: which cookie goes with it, put there by routes
_STANDARD_PORTS = (80, 443)

# the two workers, and one Envoy and the next, must not draw the same numbers
_SEED = 'math.randomseed(os.time() + tonumber(tostring({}):match("0x(%x+)"), 16) % 2147483647)\n'

_REMEMBER = """
  local memory = handle:streamInfo():dynamicMetadata()
  memory:set("tidegate", "host", headers:get(":authority") or "")
  memory:set("tidegate", "url", headers:get(":path") or "")
"""
_DROP_INVALID = """
  local invalid = {}
  for name in pairs(headers) do
    if name:sub(1, 1) ~= ":" and not name:match("^[%w-]+$") then invalid[#invalid + 1] = name end
  end
  for _, name in ipairs(invalid) do headers:remove(name) end
"""
_REWRITE = """
  local rewritten = memory:get("tidegate.rewrite") or {}
  local host, url = rewritten.host, rewritten.url
  if (host and not host:match("^[%w.-]+:?%d*$")) or (url and not url:match("^/[^%c ]*$")) then
    handle:respond({[":status"] = "500", ["content-type"] = "text/html"}, "<html></html>")
    return
  end
  if host then headers:replace(":authority", host) end
  if url then headers:replace(":path", url) end
"""
_WITHOUT_PORT = """
  local authority = headers:get(":authority")
  if authority then headers:replace(":authority", (authority:gsub(":%d*$", ""))) end
"""
_WITH_PORT = """
  local authority = headers:get(":authority")
  if authority and not authority:match(":%d+$") then headers:replace(":authority", authority .. ":{port}") end
"""
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
# `+`, `/` and `=` stay as they are in an encoded certificate
_CLIENT = """
  local connection = handle:streamInfo():downstreamSslConnection()
  local shown = connection and connection:peerCertificatePresented()
  local function moment(seconds) return os.date("!%Y-%m-%dT%H:%M:%SZ", seconds) end
  local function plain(text) return (text:gsub("%%2B", "+"):gsub("%%2F", "/"):gsub("%%3D", "=")) end
  local told = {
    chain = function() return plain(connection:urlEncodedPemEncodedPeerCertificateChain()) end,
    leaf = function() return plain(connection:urlEncodedPemEncodedPeerCertificate()) end,
    serial = function() return connection:serialNumberPeerCertificate():upper() end,
    issuer = function() return connection:issuerPeerCertificate() end,
    subject = function() return connection:subjectPeerCertificate() end,
    validity = function()
      return "NotBefore=" .. moment(connection:validFromPeerCertificate())
        .. ";NotAfter=" .. moment(connection:expirationPeerCertificate())
    end,
  }
  for what, header in pairs({names}) do
    headers:remove(header)
    if shown then headers:replace(header, told[what]()) end
  end
"""
# a cookie's value is the endpoint, and for one that follows another the name of that one
_COOKIES = """
local function cookies(headers)
  local found = {}
  for index = 0, headers:getNumValues("cookie") - 1 do
    for name, value in headers:getAtIndex("cookie", index):gmatch("%s*([^=;]+)=([^;]*)") do
      found[name] = found[name] or value
    end
  end
  return found
end
"""
_RECALL = """
  local sent = cookies(headers)
  for _, cookie in ipairs({names}) do
    local value, followed = (sent[cookie] or ""):match("^([%w+/=]+)%.?(.*)$")
    local header = "x-tidegate-session-" .. cookie:lower()
    headers:remove(header)
    if value and (followed == "" or sent[followed]) then
      headers:replace(header, value)
      memory:set("tidegate", header, value)
    end
  end
"""
_KEEP = """
function envoy_on_response(handle)
  local headers = handle:headers()
  local wanted = headers:get("x-tidegate-keep")
  if not wanted then return end
  headers:remove("x-tidegate-keep")
  local cookie, seconds, twin, follows = wanted:match("^(%S+) (%d+) (%S+) (%S+)$")
  local header = "x-tidegate-session-" .. cookie:lower()
  local memory = handle:streamInfo():dynamicMetadata():get("tidegate") or {}
  local value = headers:get(header) or memory[header]
  headers:remove(header)
  if not value then return end
  if follows ~= "-" then
    local set = false
    for index = 0, headers:getNumValues("set-cookie") - 1 do
      local given = headers:getAtIndex("set-cookie", index)
      set = set or given:sub(1, #follows + 1) == follows .. "="
    end
    if not set then return end
    value = value .. "." .. follows
  end
  local expires = os.date("!%a, %d %b %Y %H:%M:%S GMT", os.time() + tonumber(seconds))
  headers:add("Set-Cookie", cookie .. "=" .. value .. "; Expires=" .. expires .. "; Path=/")
  if twin ~= "-" then
    headers:add("Set-Cookie", twin .. "=" .. value .. "; Expires=" .. expires .. "; Path=/; SameSite=None{secure}")
  end
end
"""

# the parts of the location come as the route's filter context
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


def of_listener(each: Listener, trace_header: str | None) -> str:
    """Return what a listener does with the headers of every request, and of the responses that keep a session."""
    sessions = sessions_of(each)
    body = _REMEMBER
    if each.drop_invalid_headers:
        body += _DROP_INVALID
    if any(route.host or route.url for route in each.routes):
        body += _REWRITE
    if not each.keep_host:
        body += _WITHOUT_PORT if each.port in _STANDARD_PORTS else _WITH_PORT.format(port=each.port)
    if each.forwarded_for == "append":
        body += _APPEND_ADDRESS.format(strip="" if each.client_port else _STRIP_PORT)
    if trace_header is not None:
        body += _TRACE.format(header=trace_header)
    if each.client_headers:
        pairs = ", ".join(f'{what} = "{header}"' for what, header in each.client_headers)
        body += _CLIENT.replace("{names}", f"{{{pairs}}}")
    functions, answer = "", ""
    if sessions:
        names = ", ".join(f'"{name}"' for name in sorted({session.cookie for session in sessions}))
        functions, answer = _COOKIES, _KEEP.replace("{secure}", "; Secure" if each.tls else "")
        body += _RECALL.replace("{names}", f"{{{names}}}")
    return (
        f"{_SEED}{functions}function envoy_on_request(handle)\n  local headers = handle:headers()\n{body}end\n{answer}"
    )


def sessions_of(each: Listener) -> list[Session]:
    """Return the sessions that a listener's routes keep."""
    actions = (route.action for route in each.routes)
    choices = (choice for action in actions if isinstance(action, Forward) for choice in action.choices)
    return [choice.session for choice in choices if choice.session is not None]


def session_header(session: Session) -> str:
    """Return the header in which Envoy is told a session's endpoint, and tells it."""
    return f"x-tidegate-session-{session.cookie.lower()}"


def keep(session: Session) -> str:
    """Return the value of `KEEP_HEADER`: how the cookie is to be."""
    return f"{session.cookie} {session.seconds} {session.twin or '-'} {session.follows or '-'}"
