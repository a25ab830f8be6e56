/*
 * wrap.h - functions that the linker (--wrap) puts in the place of others.
 *
 * Calls of NAME come to __wrap_NAME, which may go on to __real_NAME. Neither the compiler nor the linker
 * compares them with NAME; so their types are taken from its header, and one with other parameters
 * does not compile.
 */
#ifndef TESTS_WRAP_H
#define TESTS_WRAP_H

#define WRAPPED(name) __typeof__(name) __real_##name, __wrap_##name

#endif
