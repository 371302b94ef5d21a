/* The zip archive around a torch file, as torch writes it: stored members, a plain directory.
 *
 * Whatever `zip_archive.read_directory` refuses is declined, and so is what needs more than 32 bits
 * or has more members than a label file. Numbers in the comments: sections of APPNOTE.TXT 6.3.10.
 */
#ifndef LABELCODEC_TORCH_ARCHIVE_H
#define LABELCODEC_TORCH_ARCHIVE_H

#include "labelcodec/torch_file/machine.h"

enum { MOST_MEMBERS = 1024 };
enum { LOCAL_SIZE = 30, CENTRAL_SIZE = 46, END64_SIZE = 56, LOCATOR64_SIZE = 20, END_SIZE = 22 };

typedef struct {
    const uint8_t *name; /* in the directory */
    size_t name_size;
    uint64_t start, size; /* of the content in the file */
    uint32_t crc;
    int is_sound; /* whether the checksum is known to be right */
} archive_member;

typedef struct {
    const uint8_t *data; /* the whole file */
    size_t size;
    size_t folder; /* bytes of the folder's name with its slash, which the first name starts with */
    size_t count;
    archive_member members[MOST_MEMBERS];
} torch_archive;

INLINED int is_signed(const uint8_t *data, const char *signature) {
    return !memcmp(data, signature, 4);
}

/* Start, end and number of entries of the directory (4.3.14 to 4.3.16); whether it is as usual. */
static int directory_range(const torch_archive *archive, size_t *start, size_t *end,
                           size_t *count) {
    if (archive->size < END_SIZE)
        return 0;
    size_t at = archive->size - END_SIZE;
    const uint8_t *record = archive->data + at;
    if (!is_signed(record, "PK\5\6"))
        return 0;
    uint64_t disks = little(record + 4, 4), entries = little(record + 10, 2);
    uint64_t size = little(record + 12, 4), first = little(record + 16, 4);
    uint64_t comment = little(record + 20, 2);
    if (at >= LOCATOR64_SIZE && is_signed(record - LOCATOR64_SIZE, "PK\6\7")) {
        if (at < LOCATOR64_SIZE + END64_SIZE)
            return 0;
        at -= LOCATOR64_SIZE + END64_SIZE;
        record = archive->data + at;
        if (little(record + END64_SIZE + 8, 8) != at || !is_signed(record, "PK\6\6"))
            return 0;
        disks = little(record + 16, 8), entries = little(record + 32, 8);
        size = little(record + 40, 8), first = little(record + 48, 8);
    }
    if (disks || comment || entries > MOST_MEMBERS || first > at || size != at - first)
        return 0;
    *start = (size_t)first, *end = at, *count = (size_t)entries;
    return 1;
}

/* Where a member's content starts, after a local header (4.3.7) that names it too; 0 if none. */
static uint64_t content_start(const torch_archive *archive, uint64_t header,
                              const archive_member *member) {
    if (header > archive->size || archive->size - header < LOCAL_SIZE + member->name_size)
        return 0;
    const uint8_t *local = archive->data + header;
    if (!is_signed(local, "PK\3\4") || little(local + 26, 2) != member->name_size ||
        memcmp(local + LOCAL_SIZE, member->name, member->name_size))
        return 0;
    return header + LOCAL_SIZE + member->name_size + little(local + 28, 2);
}

/* Whether a member has the name of one before it; names differ most at their ends. */
static int is_repeated(const torch_archive *archive, const archive_member *member) {
    size_t size = member->name_size;
    for (const archive_member *other = archive->members; other < member; other++)
        if (other->name_size == size &&
            (!size || (other->name[size - 1] == member->name[size - 1] &&
                       !memcmp(other->name, member->name, size))))
            return 1;
    return 0;
}

/* Parse the directory (4.3.12); whether the archive is one that torch writes. */
static int archive_open(torch_archive *archive, const uint8_t *data, size_t size) {
    size_t at, directory, end;
    uint64_t behind_last = 0;
    archive->data = data, archive->size = size, archive->folder = 0;
    if (!directory_range(archive, &at, &end, &archive->count))
        return 0;
    directory = at;
    for (size_t i = 0; i < archive->count; i++) {
        archive_member *member = archive->members + i;
        const uint8_t *entry = data + at;
        if (end - at < CENTRAL_SIZE || !is_signed(entry, "PK\1\2"))
            return 0;
        unsigned is_encrypted = entry[8] & 1, method = (unsigned)little(entry + 10, 2);
        uint64_t packed = little(entry + 20, 4), plain = little(entry + 24, 4);
        uint64_t header = little(entry + 42, 4);
        size_t name_size = (size_t)little(entry + 28, 2);
        size_t behind = (size_t)(little(entry + 30, 2) + little(entry + 32, 2));
        if (is_encrypted || method || packed != plain || plain == UINT32_MAX ||
            header == UINT32_MAX || end - at - CENTRAL_SIZE < name_size + behind)
            return 0;
        member->name = entry + CENTRAL_SIZE, member->name_size = name_size;
        member->start = content_start(archive, header, member);
        member->size = plain, member->crc = (uint32_t)little(entry + 16, 4);
        member->is_sound = 0;
        if (!member->start || header < behind_last || member->start + member->size > directory ||
            is_repeated(archive, member))
            return 0;
        behind_last = member->start + member->size;
        at += CENTRAL_SIZE + name_size + behind;
    }
    if (archive->count) {
        const archive_member *first = archive->members;
        const uint8_t *slash = memchr(first->name, '/', first->name_size);
        archive->folder = slash ? (size_t)(slash - first->name) + 1 : 0;
    }
    return archive->folder > 0;
}

/* The member FOLDER/ROOM KEY, or NULL. */
static archive_member *member_of(torch_archive *archive, const char *room, const uint8_t *key,
                                 size_t key_size) {
    const uint8_t *folder = archive->members[0].name;
    size_t room_size = strlen(room), fore = archive->folder + room_size;
    for (size_t i = 0; i < archive->count; i++) {
        archive_member *member = archive->members + i;
        if (member->name_size == fore + key_size &&
            !memcmp(member->name, folder, archive->folder) &&
            !memcmp(member->name + archive->folder, room, room_size) &&
            !memcmp(member->name + fore, key, key_size))
            return member;
    }
    return NULL;
}

#endif
