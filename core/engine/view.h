/*
 * view.h - what a handler can look at.
 */
#ifndef ZINGQ_ENGINE_VIEW_H
#define ZINGQ_ENGINE_VIEW_H

#include "engine/engine.h"

/* Makes e->view, which every run is given. */
void engine_view_init(struct engine *e);

#endif
