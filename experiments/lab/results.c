#include "experiments/lab/results.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "experiments/lab/files.h"

enum { FILE_BYTES_MAX = 1 << 30 };

const char *viv_result_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text == NULL ? "" : text;
}

double viv_result_number(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

json_t *viv_result_find(const json_t *records, const char *key, const char *value)
{
    size_t index;
    json_t *record;
    json_array_foreach(records, index, record)
    {
        if (strcmp(viv_result_text(record, key), value) == 0) {
            return record;
        }
    }
    return NULL;
}

static viv_status bad(const char *path, size_t line, const char *what)
{
    viv_log(VIV_LOG_ERROR, "results", what, "file=%s line=%zu", path, line);
    return VIV_ERR_CORRUPT;
}

static json_t *read_object(const char *dir, const char *name)
{
    char *path = viv_text("%s/%s", dir, name);
    json_t *object = json_load_file(path, 0, NULL);
    free(path);
    return json_is_object(object) ? object : json_object();
}

/* Hands one record to where its type belongs. Types without a place (sec, check) are not needed here. */
static void place(struct viv_result_trial *trial, json_t *record)
{
    const struct {
        const char *type;
        json_t **one;
        json_t *many;
    } places[] = {{"header", &trial->header, NULL},      {"summary", &trial->summary, NULL},
                  {"setup", &trial->setup, NULL},        {"step", NULL, trial->steps},
                  {"recovery", NULL, trial->recoveries}, {"event", NULL, trial->events},
                  {"tenths", NULL, trial->tenths},       {"hist", NULL, trial->hists}};
    const char *type = viv_result_text(record, "t");
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        if (strcmp(type, places[i].type) == 0) {
            if (places[i].one != NULL) {
                json_decref(*places[i].one);
                *places[i].one = json_incref(record);
            } else {
                json_array_append(places[i].many, record);
            }
        }
    }
}

static viv_status read_lines(const char *path, struct viv_bytes text, struct viv_result_trial *trial)
{
    size_t line = 0;
    while (text.size > 0) {
        const uint8_t *end = memchr(text.data, '\n', text.size);
        size_t size = end == NULL ? text.size : (size_t)(end - text.data);
        line++;
        json_t *record = json_loadb((const char *)text.data, size, 0, NULL);
        if (!json_is_object(record)) {
            json_decref(record);
            return bad(path, line, "this line is not a record");
        }
        place(trial, record);
        json_decref(record);
        size_t step = end == NULL ? size : size + 1;
        text.data += step;
        text.size -= step;
    }
    if (trial->header == NULL || trial->summary == NULL) {
        return bad(path, line, "a trial has a header and a summary");
    }
    trial->cell = viv_result_text(trial->header, "cell");
    trial->number = (int)viv_result_number(trial->header, "trial");
    trial->valid = json_is_true(json_object_get(trial->summary, "valid"));
    return VIV_OK;
}

static viv_status read_trial(const char *path, struct viv_result_trial *trial)
{
    struct viv_buffer text = {0};
    *trial = (struct viv_result_trial){.steps = json_array(),
                                       .recoveries = json_array(),
                                       .events = json_array(),
                                       .tenths = json_array(),
                                       .hists = json_array()};
    viv_status status = viv_file_read(path, FILE_BYTES_MAX, &text) ? read_lines(path, viv_buffer_bytes(&text), trial)
                                                                   : bad(path, 0, "the trial cannot be read");
    viv_buffer_fini(&text);
    return status;
}

static viv_status add_trial(struct viv_results *results, const char *path)
{
    results->trials = viv_realloc(results->trials, (results->trial_count + 1) * sizeof *results->trials);
    return read_trial(path, &results->trials[results->trial_count++]);
}

static viv_status read_trials(struct viv_results *results)
{
    char *folder = viv_text("%s/trials", results->dir);
    DIR *open = opendir(folder);
    viv_status status = VIV_OK;
    if (open == NULL) {
        viv_log(VIV_LOG_ERROR, "results", "this is not the folder of a run", "missing=%s", folder);
        free(folder);
        return VIV_ERR_NOT_FOUND;
    }
    struct dirent *entry;
    while (status == VIV_OK && (entry = readdir(open)) != NULL) {
        size_t size = strlen(entry->d_name);
        if (size > 6 && strcmp(entry->d_name + size - 6, ".jsonl") == 0) {
            char *path = viv_text("%s/%s", folder, entry->d_name);
            status = add_trial(results, path);
            free(path);
        }
    }
    closedir(open);
    free(folder);
    return status;
}

/* The plan's order of cells, as one number for sorting. */
static int compare_trials(const void *a, const void *b, void *plan)
{
    const struct viv_result_trial *left = a;
    const struct viv_result_trial *right = b;
    size_t index;
    json_t *cell;
    if (strcmp(left->cell, right->cell) == 0) {
        return left->number - right->number;
    }
    json_array_foreach(json_object_get(plan, "cells"), index, cell)
    {
        const char *name = viv_result_text(cell, "name");
        if (strcmp(name, left->cell) == 0) {
            return -1;
        }
        if (strcmp(name, right->cell) == 0) {
            return 1;
        }
    }
    return 0;
}

viv_status viv_results_load(const char *dir, struct viv_results *results)
{
    *results = (struct viv_results){.dir = viv_text("%s", dir),
                                    .plan = read_object(dir, "resolved.json"),
                                    .provenance = read_object(dir, "provenance.json"),
                                    .calibration = read_object(dir, "calibration.json")};
    viv_status status = read_trials(results);
    if (status != VIV_OK) {
        viv_results_fini(results);
        return status;
    }
    qsort_r(results->trials, results->trial_count, sizeof *results->trials, compare_trials, results->plan);
    return VIV_OK;
}

void viv_results_fini(struct viv_results *results)
{
    for (size_t i = 0; i < results->trial_count; i++) {
        struct viv_result_trial *trial = &results->trials[i];
        json_t *const members[] = {trial->header,     trial->summary, trial->setup,  trial->steps,
                                   trial->recoveries, trial->events,  trial->tenths, trial->hists};
        for (size_t m = 0; m < sizeof members / sizeof *members; m++) {
            json_decref(members[m]);
        }
    }
    free(results->trials);
    json_decref(results->plan);
    json_decref(results->provenance);
    json_decref(results->calibration);
    free(results->dir);
    *results = (struct viv_results){0};
}
