/*
 * pace.h - how much slower than usual this build is, for limits of processor time.
 */
#ifndef TESTS_PACE_H
#define TESTS_PACE_H

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define PACE 10
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define PACE 10
#endif
#endif

#ifndef PACE
#define PACE 1
#endif

/* limits.lua_time: its default, and what tests give handlers: more, as a busy machine takes longer. */
enum { LUA_TIME_DEFAULT_MS = 200, LUA_TIME_MS = PACE > 1 ? 2000 : 600 };

#endif
