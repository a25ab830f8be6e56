--- digests_and_codes_are_those_of_the_standards
local c = zing.crypto
-- FIPS 180-4, examples
assert(c.hex(c.sha256('abc')) == 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
assert(c.hex(c.sha256('')) == 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
assert(c.hex(c.sha512('abc')) == 'ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a'
  .. '2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f')
-- RFC 4231, test cases 1, 2 and 6: a key longer than a block
assert(c.hex(c.hmac(('\x0b'):rep(20), 'Hi There'))
  == 'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7')
assert(c.hex(c.hmac('Jefe', 'what do ya want for nothing?', 'sha512'))
  == '164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fd'
  .. 'caeab1a34d4a6b4b636e070a38bce737')
assert(c.hex(c.hmac(('\xaa'):rep(131), 'Test Using Larger Than Block-Size Key - Hash Key First'))
  == '60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54')
assert(#c.hmac('', '') == 32)

--- texts_go_both_ways
local c = zing.crypto
local bytes = ''
for i = 0, 255 do bytes = bytes .. string.char(i) end
assert(c.unhex(c.hex(bytes)) == bytes and c.unhex('DEADbeef') == '\xde\xad\xbe\xef')
assert(c.unbase64(c.base64(bytes)) == bytes and c.unbase64(c.base64(bytes, 'url'), 'url') == bytes)
-- RFC 4648, section 10
assert(c.base64('') == '' and c.base64('f') == 'Zg==' and c.base64('fooba') == 'Zm9vYmE=')
assert(c.base64('\xff\xfe\xfd\xfc', 'url') == '__79_A' and c.base64('\xff\xfe\xfd\xfc') == '//79/A==')
for _, bad in ipairs{'a', 'zz', '0g'} do
  local got, why = c.unhex(bad)
  assert(got == nil and why == 'not hex')
end
for _, bad in ipairs{'Zg', 'Zg=', '*', 'Zm9v YmE='} do
  local got, why = c.unbase64(bad)
  assert(got == nil and why == 'not base64', bad)
end

--- random_is_as_long_as_asked_and_each_time_another
local c = zing.crypto
assert(c.random(0) == '' and #c.random(16) == 16 and c.random(16) ~= c.random(16))
for _, bad in ipairs{-1, 65537} do
  local ok, why = pcall(c.random, bad)
  assert(not ok and why:find('0 to 65536 are possible', 1, true), why)
end

--- equal_compares_bytes
local c = zing.crypto
assert(c.equal('', '') and c.equal('a\0b', 'a\0b'))
assert(not c.equal('a\0b', 'a\0c') and not c.equal('a', 'aa'))

--- wrong_names_are_errors
local ok, why = pcall(zing.crypto.hmac, 'k', 'd', 'md5')
assert(not ok and why:find("invalid option 'md5'", 1, true), why)
