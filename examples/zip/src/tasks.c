// The module's tasks: miniz behind the functions of `wit/zip.wit`. An attempt has an instance
// of its own, so what is left in memory is gone with it, and nothing is freed here.

#include <stdlib.h>
#include <string.h>

#include "bindings/zip.h"
#include "miniz.h"

#define DEFAULT_MOST (16u << 20)
#define LONGEST_NAME (MZ_ZIP_MAX_ARCHIVE_FILENAME_SIZE - 1)

// The bindings ask for an object file with the world's type in it. The build adds the type to
// the linked module instead, so that no binary file has to be kept beside them.
void __component_type_object_force_link_zip(void) {}

// Memory that is not there is the end of the attempt: the host tells it by its own name.
static void *room(size_t size) {
    void *at = calloc(1, size ? size : 1);
    if (!at) abort();
    return at;
}

// `true` in the bindings' functions is an answer, and `false` a problem.
static bool wrong_name(zip_problem_t *problem, zip_string_t name) {
    problem->tag = ZIP_PROBLEM_NAME;
    problem->val.name.ptr = memcpy(room(name.len), name.ptr, name.len);
    problem->val.name.len = name.len;
    return false;
}

static bool wrong_archive(zip_problem_t *problem, mz_zip_archive *zip) {
    problem->tag = ZIP_PROBLEM_ARCHIVE;
    zip_string_dup(&problem->val.archive, mz_zip_get_error_string(mz_zip_get_last_error(zip)));
    return false;
}

static bool too_large(zip_problem_t *problem, uint64_t most) {
    problem->tag = ZIP_PROBLEM_TOO_LARGE;
    problem->val.too_large = most;
    return false;
}

// A name that leads out of the folder into which an archive is unpacked is refused both ways.
static bool is_good_name(const char *name, size_t size) {
    if (size == 0 || size > LONGEST_NAME || memchr(name, 0, size)) return false;
    if (name[0] == '/' || memchr(name, '\\', size) || memchr(name, ':', size)) return false;
    for (const char *part = name, *end = name + size; part < end;) {
        const char *slash = memchr(part, '/', (size_t)(end - part));
        size_t length = (size_t)((slash ? slash : end) - part);
        if (length == 0 || (length == 2 && memcmp(part, "..", 2) == 0)) return false;
        part += length + 1;
    }
    return name[size - 1] != '/';
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

// The files' names as C has them, or NULL where one is wrong or there twice.
static char **names_of(zip_list_file_t *files, zip_problem_t *problem) {
    char **names = room(files->len * sizeof *names), **sorted = room(files->len * sizeof *sorted);
    for (size_t n = 0; n < files->len; n++) {
        zip_string_t name = files->ptr[n].name;
        if (!is_good_name((const char *)name.ptr, name.len)) {
            wrong_name(problem, name);
            return NULL;
        }
        sorted[n] = names[n] = memcpy(room(name.len + 1), name.ptr, name.len);
    }
    qsort(sorted, files->len, sizeof *sorted, by_name);
    for (size_t n = 1; n < files->len; n++) {
        if (strcmp(sorted[n - 1], sorted[n]) == 0) {
            zip_string_t twice = {(uint8_t *)sorted[n], strlen(sorted[n])};
            wrong_name(problem, twice);
            return NULL;
        }
    }
    return names;
}

bool exports_zip_pack(zip_list_file_t *files, zip_level_t *level, zip_list_u8_t *archive,
                      zip_problem_t *problem) {
    static const mz_uint LEVELS[] = {MZ_NO_COMPRESSION, MZ_BEST_SPEED, MZ_DEFAULT_LEVEL,
                                     MZ_BEST_COMPRESSION};
    char **names = names_of(files, problem);
    if (!names) return false;
    size_t size = 0;
    for (size_t n = 0; n < files->len; n++) size += files->ptr[n].content.len;
    mz_zip_archive zip = {0};
    bool done = mz_zip_writer_init_heap(&zip, 0, size / 2 + 4096);
    mz_uint how = LEVELS[level ? *level : ZIP_LEVEL_NORMAL];
    for (size_t n = 0; done && n < files->len; n++) {
        zip_list_u8_t content = files->ptr[n].content;
        done = mz_zip_writer_add_mem(&zip, names[n], content.ptr, content.len, how);
    }
    void *bytes = NULL;
    size_t length = 0;
    if (!done || !mz_zip_writer_finalize_heap_archive(&zip, &bytes, &length))
        return wrong_archive(problem, &zip);
    archive->ptr = bytes;
    archive->len = length;
    return true;
}

// One file of an archive.
static bool take_out(mz_zip_archive *zip, mz_zip_archive_file_stat *about, zip_file_t *file,
                     zip_problem_t *problem) {
    zip_string_t name = {(uint8_t *)about->m_filename, strlen(about->m_filename)};
    if (!is_good_name(about->m_filename, name.len)) return wrong_name(problem, name);
    zip_string_dup_n(&file->name, about->m_filename, name.len);
    file->content.len = (size_t)about->m_uncomp_size;
    file->content.ptr = room(file->content.len);
    if (!mz_zip_reader_extract_to_mem(zip, about->m_file_index, file->content.ptr,
                                      file->content.len, 0))
        return wrong_archive(problem, zip);
    return true;
}

bool exports_zip_unpack(zip_list_u8_t *archive, uint64_t *maybe_most, zip_list_file_t *files,
                        zip_problem_t *problem) {
    uint64_t most = maybe_most ? *maybe_most : DEFAULT_MOST, left = most;
    mz_zip_archive zip = {0};
    if (!mz_zip_reader_init_mem(&zip, archive->ptr, archive->len, 0))
        return wrong_archive(problem, &zip);
    mz_uint count = mz_zip_reader_get_num_files(&zip);
    files->ptr = room(count * sizeof *files->ptr);
    files->len = 0;
    for (mz_uint n = 0; n < count; n++) {
        mz_zip_archive_file_stat about;
        if (!mz_zip_reader_file_stat(&zip, n, &about)) return wrong_archive(problem, &zip);
        if (about.m_is_directory) continue;
        if (about.m_uncomp_size > left) return too_large(problem, most);
        left -= about.m_uncomp_size;
        if (!take_out(&zip, &about, &files->ptr[files->len], problem)) return false;
        files->len++;
    }
    return true;
}

bool exports_zip_entries(zip_list_u8_t *archive, zip_list_entry_t *entries,
                         zip_problem_t *problem) {
    mz_zip_archive zip = {0};
    if (!mz_zip_reader_init_mem(&zip, archive->ptr, archive->len, 0))
        return wrong_archive(problem, &zip);
    entries->len = mz_zip_reader_get_num_files(&zip);
    entries->ptr = room(entries->len * sizeof *entries->ptr);
    for (mz_uint n = 0; n < entries->len; n++) {
        mz_zip_archive_file_stat about;
        if (!mz_zip_reader_file_stat(&zip, n, &about)) return wrong_archive(problem, &zip);
        zip_entry_t *entry = &entries->ptr[n];
        zip_string_dup(&entry->name, about.m_filename);
        entry->size = about.m_uncomp_size;
        entry->packed = about.m_comp_size;
        entry->crc32 = about.m_crc32;
    }
    return true;
}
