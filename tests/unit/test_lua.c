/* The sandbox of Lua files: what they may do, what stops them, and where messages point; and name patterns.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <time.h>

#include "passes/glob.h"
#include "passes/lua.h"
#include "passes/lua_locate.h"
#include "tests/unit/arena_test.h"

static char messages[4000];
static char said[200]; /* what the file said by `say` */

static int say(lua_State *L) {
  size_t used = strlen(said);
  for (int i = 1; i <= lua_gettop(L); i++, used = strlen(said)) {
    snprintf(said + used, sizeof said - used, "%s%s", used ? " " : "", luaL_tolstring(L, i, NULL));
    lua_pop(L, 1);
  }
  return 0;
}

/* Complains about the key `bad` of its table. */
static int complain(lua_State *L) {
  lua_getfield(L, 1, "bad");
  diag_error(lua_script_diag(L), lua_script_key(L, "bad", -1), "bad");
  return 0;
}

static void open_test(lua_State *L) {
  lua_script_function(L, "say", say);
  lua_script_function(L, "complain", complain);
}

static bool run_bytes(const char *text, size_t len) {
  Diag d;
  memset(messages, 0, sizeof messages);
  memset(said, 0, sizeof said);
  FILE *out = fmemopen(messages, sizeof messages, "w");
  diag_init(&d, arena, out);
  bool ok = lua_script_run(&d, arena, source_from_text(arena, "t.lua", text, len), 3, open_test, NULL);
  fclose(out);
  assert_int_equal(ok, d.errors == 0);
  return ok;
}

static void says(const char *text, const char *expected) {
  if (!run_bytes(text, strlen(text))) fail_msg("%s: %s", text, messages);
  assert_string_equal(said, expected);
}

static void fails(const char *text, const char *message) {
  if (run_bytes(text, strlen(text))) fail_msg("accepted: %s", text);
  if (!strstr(messages, message)) fail_msg("%s: expected '%s' in:\n%s", text, message, messages);
}

static void what_files_may_do(void **state) {
  (void)state;
  says("say(1 + 2, 'a' .. 'b', #{4, 5}, 7 // 2, 1 << 4)", "3 ab 2 3 16");
  says("for i, v in ipairs { 'x', 'y' } do say(i .. v) end", "1x 2y");
  says("local function f(n) if n < 2 then return 1 end return n * f(n - 1) end say(f(5))", "120");
  says("say(math.max(1, 2), math.floor(2.5), string.format('%s%d', 'b', 3), ('x'):upper(), math.pi > 3)",
       "2 2 b3 X true");
  says("say(table.concat({ 'a', 'b' }, ','), table.unpack({ 1, 2 }))", "a,b 1 2");
  says("say(tostring(12), tostring(nil), tostring({}), tostring(say), tonumber('7'), type(say))",
       "12 nil table function 7 function");
  says("x = 5 say(x)", "5");
  says("say(select('#', 1, 2), assert(3))", "2 3");
  says("goto out; say('no') ::out:: say('yes')", "yes");
  says("", "");
  says("\xef\xbb\xbfsay(1)", "1");
  says("#!/usr/bin/lua\nsay(1)", "1");
}

/* Nothing of the machine, nothing without order, no address; without anybody who watches nothing that runs
 * long without a step. */
static void what_is_not_there(void **state) {
  (void)state;
  static const char *const names[] = {"collectgarbage", "coroutine", "debug", "dofile",  "io",      "load",
                                      "loadfile",       "next",      "os",    "package", "require", "utf8",
                                      "warn",           "xpcall",    "_G",    "_VERSION"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    char text[100], message[100];
    snprintf(text, sizeof text, "local x = %s", names[i]);
    snprintf(message, sizeof message, "t.lua:1:11: error: Lua's '%s' is not available in this script",
             names[i]);
    fails(text, message);
  }
  static const char *const gone[] = {
      "string.rep",  "string.dump",   "string.find",     "string.match", "string.gmatch", "string.gsub",
      "string.pack", "string.unpack", "string.packsize", "table.move",   "table.insert",  "table.remove",
      "table.sort",  "math.sin",      "math.cos",        "('x').rep",    "('x').gsub"};
  for (size_t i = 0; i < sizeof gone / sizeof *gone; i++) {
    char text[100];
    snprintf(text, sizeof text, "say(%s)", gone[i]);
    says(text, "nil");
  }
  fails("string.format('%p', 'x')", "'%p' is not available in this script");
  fails("string.format('%5%%-3p', 'x')", "'%p' is not available in this script");
  fails("string.format('%s', {})", "bad argument #2 to 'format' (a table has no text)");
  says("say(string.format('100%% %5.1f %q', 1.25, 'a'))", "100%   1.2 \"a\"");
}

/* What other programs get differently each time is the same here. */
static void what_is_always_the_same(void **state) {
  (void)state;
  says("for k, v in pairs { b = 1, a = 2, 7, 8, [-1.5] = 3, [false] = 4, [true] = 5, B = 6 } do "
       "say(tostring(k) .. v) end",
       "-1.53 17 28 B6 a2 b1 false4 true5");
  says("local t = { a = 1, b = 2, c = 3 } for k in pairs(t) do t.b = nil t.d = 1 say(k) end", "a c");
  says("for k in pairs(setmetatable({ x = 1 }, { __index = { y = 2 } })) do say(k) end", "x");
  fails("for k in pairs { [say] = 1 } do end", "pairs has no order for a key that is a function");
  fails("pairs(3)", "bad argument #1 to 'pairs' (table expected, got number)");
  says("say(math.random(1000), math.random(1000))", "414 488");
  says("math.randomseed(3) local a = math.random(1 << 30) math.randomseed(3) say(a == math.random(1 << 30))",
       "true");
  fails("math.randomseed()", "number expected, got no value");
  says("say(math.exp(1), math.log(10))", "2.7182817459106 2.3025851249695");
  says("say(tostring(setmetatable({}, { __tostring = function() return 'mine' end })))", "mine");
  says("say(string.format('%s', setmetatable({}, { __tostring = function() return 'mine' end })))", "mine");
}

/* pcall catches errors, but nothing that has ended the script. */
static void what_may_be_caught(void **state) {
  (void)state;
  says("say(pcall(error, 'x'))", "false x");
  says("say(pcall(function(a, b) return a + b end, 1, 2))", "true 3");
  says("say(select('#', pcall(function() return 1, nil, nil end)))", "4");
  fails("pcall()", "bad argument #1 to 'pcall' (value expected)");
  fails("pcall(function() while true do end end) say('on')", "runs for more than");
  assert_string_equal(said, "");
  fails("pcall(function() return nosuch end) say('on')", "there is no 'nosuch'");
  assert_string_equal(said, "");
  fails("pcall(function() local t = {} for i = 1, 1e9 do t[i] = i end end) say('on')",
        "more than 64 MiB of memory");
  assert_string_equal(said, "");
  fails("setmetatable({}, { __gc = say })", "'__gc' is not available in this script");
  fails("setmetatable({}, { __gc = false })", "'__gc' is not available in this script");
  says("local m = {} local t = setmetatable({}, m) m.__gc = function() say('gc') end t = nil for i = 1, 1e5 "
       "do t = {} end",
       "");
}

/* None takes long, none takes the machine's memory. */
static void what_stops_a_file(void **state) {
  (void)state;
  const char *const steps = "runs for more than 10 million steps", *const memory =
                                                                       "needs more than 64 MiB of memory";
  clock_t start = clock();
  fails("say(1)\nwhile true do end", "t.lua:2:1: error: this script runs for more than 10 million steps");
  fails("for i = 1, math.huge do end", steps);
  fails("::a:: goto a", steps);
  fails("local function f() return f() end f()", steps);
  fails("local s = 'x'\nwhile true do\n  s = s .. s\nend",
        "t.lua:3:3: error: this script needs more than 64 MiB of memory");
  fails("local t = {} for i = 1, 1e9 do t[i] = i end", memory);
  fails("local t = {} for i = 1, 1e9 do t[i] = {} end", memory);
  fails("local t, s = {}, ('a name of some length'):upper() for i = 1, 6 do s = s .. s end\n"
        "for i = 1, 1e9 do t[s .. i] = i end",
        memory);
  fails("local function f() return 1 + f() end f()", memory);
  fails("local s = 'x' for i = 1, 22 do s = s .. s end while true do local u = s:upper() end",
        "runs for more than 1.5 seconds of the processor");
  fails("table.unpack({}, 1, 1e8)", "too many results to unpack");
  fails("table.concat({}, ',', 1, 1e9)", "invalid value (nil) at index 1");
  assert_true((double)(clock() - start) / CLOCKS_PER_SEC < 30);
  char deep[3000] = "say(";
  memset(deep + 4, '(', 2000);
  fails(deep, "C stack overflow");
}

static void binary_is_refused(void **state) {
  (void)state;
  fails("\x1bLua\x54\x00\x19\x93", "t.lua: error: is compiled Lua; only its source can be read");
  assert_false(run_bytes("say('a\0b')\0", 11));
  assert_false(run_bytes("\xef\xbb\xbf\x1bLua", 7));
}

static void messages_show_the_place(void **state) {
  (void)state;
  fails("say(1)\nx = ] 3\n", "t.lua:2:5: error: unexpected symbol near ']'\nx = ] 3\n    ^\n");
  fails("x = 'abc\n", "t.lua:1:6: error: unfinished string near ''abc'");
  fails("say {\n  1\n", "t.lua:2:4: error: '}' expected (to close '{' at line 1) near <eof>");
  fails("say(1)\n\n  local y = {}\n  y.a.b = 1",
        "t.lua:4:5: error: attempt to index a nil value (field 'a')");
  fails("say(nosuch)", "t.lua:1:5: error: there is no 'nosuch'");
  fails("sya(1)", "t.lua:1:1: error: there is no 'sya'; did you mean 'say'?\nsya(1)\n^~~");
  fails("assret(1)", "did you mean 'assert'?");
  fails("\n  error('it\\x07 is so')", "t.lua:2:3: error: it\\x07 is so");
  fails("error({})", "an error that is no text but a table");
  fails("error()", "an error that is no text but nil");
  fails("error(true)", "an error that is no text but a boolean");
  fails("error(42)", "t.lua:1:1: error: 42");
  fails("error(0.5)", "t.lua:1:1: error: 0.5");
  fails("error('twice', 2)", "error: twice");
  fails("assert(false)", "assertion failed!");
  fails("assert(1 > 2, 'one is less')", "error: one is less");
  fails("local t = {} t[nil] = 1", "index is nil");
}

static SrcLoc key_at(const char *text, int line, const char *key, const char *value, bool is_string) {
  return lua_locate_key(lua_index(arena, source_from_text(arena, "t.lua", text, strlen(text))), line, "f",
                        key, (LuaValue){value, is_string});
}

static void finds(const char *text, int line, const char *key, uint32_t begin) {
  SrcLoc loc = key_at(text, line, key, NULL, false);
  if (!loc.source) fail_msg("not found in: %s", text);
  assert_int_equal(loc.begin, begin);
}

static void keys_are_found_in_the_text(void **state) {
  (void)state;
  finds("f { a = 1 }", 1, "a", 4);
  finds("f { b = 2, a = 1 }", 1, "a", 11);
  finds("f {\n  b = 2;\n  a = 1 }", 1, "a", 15);
  finds("f({ b = a, a = 1 })", 1, "a", 11);
  finds("f('x', { b = { a = 2 }, a = 1 })", 1, "a", 24);
  finds("f { ['b'] = 1, ['a'] = 2 }", 1, "a", 16);
  finds("f { -- a = 3\n a = 1 }", 1, "a", 14);
  finds("f { --[[ a = 3\n a = 4 ]] a = 1 }", 1, "a", 25);
  finds("f { b = 'a = 3', c = [[ a = 4 ]], a = 1 }", 1, "a", 34);
  finds("f { b = x == y, c = a == 2, a = 1 }", 1, "a", 28);
  finds("f { a = 1 }\nf { a = 2 }", 2, "a", 16);
  finds("local g = f\nprint(f) f { a = 1 }", 2, "a", 25);
  assert_null(key_at("f { b = 1 } g { a = 2 }", 1, "a", NULL, false).source);
  assert_null(key_at("f { b = { a = 2 } }", 1, "a", NULL, false).source);
  assert_null(key_at("f { b = 1 }\nf { a = 1 }", 1, "a", NULL, false).source);
  assert_null(key_at("f(t)", 1, "a", NULL, false).source);
  assert_null(key_at("f { a", 1, "a", NULL, false).source);
  assert_null(key_at("f { [[a = 1", 1, "a", NULL, false).source);
  /* several calls in a line: by the value */
  const char *const two = "g { f { a = 1, s = 'x' }, f { a = -0x10, s = \"y\" } }";
  assert_int_equal(key_at(two, 1, "a", "1", false).begin, 8);
  assert_int_equal(key_at(two, 1, "a", "-16.0", false).begin, 30);
  assert_int_equal(key_at(two, 1, "s", "y", true).begin, 41);
  assert_int_equal(key_at(two, 1, "s", "z", true).begin, 15);
}

static void functions_find_their_keys(void **state) {
  (void)state;
  fails("complain {\n  good = 1,\n  bad = 2,\n}", "t.lua:3:3: error: bad\n  bad = 2,\n  ^~~");
  fails("local t = { bad = 1 }\ncomplain(t)", "t.lua:2:1: error: bad\ncomplain(t)\n^~~~~~~~");
  fails("local c = complain\n  c { bad = 1 }", "t.lua:2:3: error: bad");
  fails("for i = 1, 2 do complain { bad = true } end", "t.lua:1:28: error: bad");
  assert_non_null(strstr(strchr(messages, '^'), "t.lua:1:28: error: bad")); /* it went on after the first */
}

static void patterns(void **state) {
  (void)state;
  static const struct {
    const char *pattern, *text;
    bool fits;
  } cases[] = {
      {"a", "a", true},
      {"a", "ab", false},
      {"", "", true},
      {"", "a", false},
      {"*", "", true},
      {"*", "a/b.c", true},
      {"a*c", "abc", true},
      {"a*c", "ac", true},
      {"a*c", "abcd", false},
      {"*b*", "abc", true},
      {"a?c", "abc", true},
      {"a?c", "ac", false},
      {"[a-c]x", "bx", true},
      {"[a-c]x", "dx", false},
      {"[!a-c]x", "dx", true},
      {"[^ab]", "a", false},
      {"[]]", "]", true},
      {"[a-]", "-", true},
      {"[a", "[a", true},
      {"[", "[", true},
      {"\\*", "*", true},
      {"\\*", "a", false},
      {"\\", "\\", true},
      {"a**b", "axb", true},
      {"block?.*", "block1.conv", true},
      {"*conv*2", "a.conv1.conv2", true},
      {"*ab", "aab", true},
      {"/fc/*", "/fc/MatMul", true},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    if (glob_match(cases[i].pattern, cases[i].text) != cases[i].fits)
      fail_msg("'%s' against '%s'", cases[i].pattern, cases[i].text);
  static char text[20001], pattern[2001];
  memset(text, 'a', 20000);
  for (int i = 0; i < 1998; i += 2) memcpy(pattern + i, "*a", 2);
  pattern[1998] = 'b';
  assert_false(glob_match(pattern, text));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(what_files_may_do),         TEST(what_is_not_there),
      TEST(what_stops_a_file),         TEST(binary_is_refused),
      TEST(what_is_always_the_same),   TEST(what_may_be_caught),
      TEST(messages_show_the_place),   TEST(keys_are_found_in_the_text),
      TEST(functions_find_their_keys), TEST(patterns),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
