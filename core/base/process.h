/*
 * process.h - how this process is named where people look for it: "process 812 on berlin".
 */
#ifndef ZINGQ_BASE_PROCESS_H
#define ZINGQ_BASE_PROCESS_H

enum { PROCESS_NAME_BYTES = 160 };

/* Its number and its machine's name. Returns out. */
const char *process_name(char out[PROCESS_NAME_BYTES]);

#endif
