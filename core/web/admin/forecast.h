/*
 * forecast.h - when something runs out, by the history of the last minutes.
 */
#ifndef ZINGQ_WEB_ADMIN_FORECAST_H
#define ZINGQ_WEB_ADMIN_FORECAST_H

#include "web/admin/history.h"

/* In how many seconds the figure reaches 0 if it goes on to fall as it did in the last minutes: in
 * HISTORY_TREND_STEPS, or else in half or a quarter of them. NAN: it does not fall, or not steadily, or
 * not for a minute yet, or it takes longer than FORECAST_S_MAX. */
double forecast_empty_s(const struct history *h, enum history_kind kind, const char *name,
                        unsigned figure, int64_t now_ms);

#endif
