// Rows of an end-to-end model of trtzoo become objects of DeepStream's nvinfer.
//
//   TrtzooParse     parse-bbox-instance-mask-func-name, DeepStream 6.2 and later: every task
//   TrtzooParseObb  parse-bbox-func-name, DeepStream 9.0 and later: rotated boxes
//
// What an object carries in its mask:
//   detect   nothing
//   pose     the keypoints, P rows (mask_height) of D values (mask_width): x, y in network pixels, then visibility
//   segment  the mask over the object's box, 0..1; nvinfer passes segmentation-threshold on
//   obb      one row of five values: cx, cy, w, h in network pixels and the angle in radians; the box is the upright one around it
//
// Both functions return true whatever they are given: nvinfer ignores the status and would read a list that was never
// filled. Outputs that do not fit give no objects and a line on stderr.

#include "nvdsinfer_abi.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iostream>
#include <string>

namespace {

constexpr float kPi = 3.14159265358979323846f;
constexpr unsigned int kMaskSamples = 2;  // of the object's grid for each pixel of the model's mask
constexpr unsigned int kMostSamples = 512;
constexpr int kMostLines = 5;

using Layers = std::vector<NvDsInferLayerInfo>;

void complain(const std::string& what) {
    static std::atomic<int> lines{0};
    if (lines++ < kMostLines) {
        std::cerr << "trtzoo parser: " << what << "; no objects are reported. Was the model converted for this parser?\n";
    }
}

// An output of the model that was found and whose size was checked.
struct Tensor {
    const void* data = nullptr;
    NvDsInferDataType type = FLOAT;
    std::vector<unsigned int> dims;

    explicit operator bool() const { return data != nullptr; }
    float real(std::size_t i) const { return static_cast<const float*>(data)[i]; }
    std::int32_t whole(std::size_t i) const { return static_cast<const std::int32_t*>(data)[i]; }
};

const NvDsInferLayerInfo* find(const Layers& layers, const char* name) {
    for (const auto& layer : layers) {
        if (layer.layerName && std::strcmp(layer.layerName, name) == 0) return &layer;
    }
    return nullptr;
}

// The tensor `name`, empty and with a word on stderr where it is not there or not as it must be.
Tensor take(const Layers& layers, const char* name, std::size_t rank, std::initializer_list<NvDsInferDataType> types) {
    const NvDsInferLayerInfo* layer = find(layers, name);
    if (!layer || !layer->buffer) {
        complain(std::string("the model has no output ") + name);
        return {};
    }
    if (std::find(types.begin(), types.end(), layer->dataType) == types.end()) {
        complain(std::string("the output ") + name + " is of type " + std::to_string(layer->dataType));
        return {};
    }
    const NvDsInferDims& dims = layer->inferDims;
    std::uint64_t product = 1;
    for (unsigned int i = 0; i < std::min(dims.numDims, 8u); ++i) product *= std::min(dims.d[i], 1u << 20);
    if (dims.numDims != rank || product != dims.numElements || product == 0) {
        complain(std::string("the output ") + name + " has another shape than it must");
        return {};
    }
    return {layer->buffer, layer->dataType, {dims.d, dims.d + rank}};
}

// The four outputs that every task has.
struct Rows {
    std::size_t count = 0;
    Tensor boxes, scores, classes;
};

Rows take_rows(const Layers& layers) {
    const Tensor count = take(layers, "num_dets", 1, {INT32});
    Rows rows;
    rows.boxes = take(layers, "det_boxes", 2, {FLOAT});
    rows.scores = take(layers, "det_scores", 1, {FLOAT});
    rows.classes = take(layers, "det_classes", 1, {INT32, FLOAT});
    if (!count || !rows.boxes || !rows.scores || !rows.classes) return rows;
    const unsigned int most = rows.scores.dims[0];
    if (rows.boxes.dims[0] != most || rows.classes.dims[0] != most) {
        complain("det_boxes, det_scores and det_classes have different numbers of rows");
        return rows;
    }
    rows.count = static_cast<std::size_t>(std::clamp<std::int64_t>(count.whole(0), 0, most));
    return rows;
}

// Class and score of a row; false where nvinfer would drop the object afterwards (and leak its mask), or cannot take it.
bool accept(const Rows& rows, std::size_t row, const NvDsInferParseDetectionParams& params, unsigned int& label, float& score) {
    const double number = rows.classes.type == INT32 ? rows.classes.whole(row) : rows.classes.real(row);
    if (!(number >= 0 && number < params.numClassesConfigured)) return false;
    label = static_cast<unsigned int>(number);
    score = rows.scores.real(row);
    if (!std::isfinite(score) || label >= params.perClassPreclusterThreshold.size()) return false;
    return score >= params.perClassPreclusterThreshold[label];
}

struct Box {
    float x1, y1, x2, y2;
};

// The part of a box inside the network's input; false where there is none.
bool clip(const Box& box, const NvDsInferNetworkInfo& network, Box& inside) {
    if (!std::isfinite(box.x1) || !std::isfinite(box.y1) || !std::isfinite(box.x2) || !std::isfinite(box.y2)) return false;
    const float width = static_cast<float>(network.width), height = static_cast<float>(network.height);
    inside = {std::clamp(box.x1, 0.f, width), std::clamp(box.y1, 0.f, height), std::clamp(box.x2, 0.f, width),
              std::clamp(box.y2, 0.f, height)};
    return inside.x1 < inside.x2 && inside.y1 < inside.y2;
}

struct Rotated {
    float cx, cy, w, h, angle;
};

// A rotated box with its angle in [0, pi); false where it is none, or its centre is outside of the network's input.
bool read_rotated(const Tensor& boxes, std::size_t row, const NvDsInferNetworkInfo& network, Rotated& box) {
    const std::size_t at = row * 5;
    box = {boxes.real(at), boxes.real(at + 1), boxes.real(at + 2), boxes.real(at + 3), boxes.real(at + 4)};
    const float longest = 2.f * static_cast<float>(network.width + network.height);
    const bool placed = box.cx >= 0 && box.cx <= static_cast<float>(network.width) && box.cy >= 0 &&
                        box.cy <= static_cast<float>(network.height);
    if (!placed || !(box.w > 0 && box.w <= longest && box.h > 0 && box.h <= longest) || !std::isfinite(box.angle)) return false;
    box.angle = std::fmod(box.angle, kPi);
    if (box.angle < 0) box.angle += kPi;
    if (box.angle >= kPi) box.angle = 0;
    return true;
}

Box around(const Rotated& box) {
    const float c = std::fabs(std::cos(box.angle)), s = std::fabs(std::sin(box.angle));
    const float half_width = (c * box.w + s * box.h) / 2, half_height = (s * box.w + c * box.h) / 2;
    return {box.cx - half_width, box.cy - half_height, box.cx + half_width, box.cy + half_height};
}

// Bilinear samples along one axis of a mask: the two pixels and the share of the second.
struct Sample {
    std::size_t low, high;
    float share;
};

// Where the grid's cells lie in the mask, `from`..`to` in network pixels on `samples` cells. The graph cut the mask to the
// pixels first - 1.5 <= i < last + .5 of the box (graph_passes/nms/masks.py), so beyond them its rim is continued.
std::vector<Sample> samples_along(float from, float to, unsigned int samples, float scale, unsigned int length, float first,
                                  float last) {
    const auto limit = static_cast<float>(length - 1);
    const float low = std::clamp(std::ceil(first * scale - 1.5f), 0.f, limit);
    const float high = std::clamp(std::ceil(last * scale + .5f) - 1, low, limit);
    std::vector<Sample> found(samples);
    for (unsigned int i = 0; i < samples; ++i) {
        const float middle = from + (static_cast<float>(i) + .5f) * (to - from) / static_cast<float>(samples);
        const float place = std::clamp(middle * scale - .5f, low, high);
        const float below = std::floor(place);
        found[i] = {static_cast<std::size_t>(below), static_cast<std::size_t>(std::min(below + 1, high)), place - below};
    }
    return found;
}

unsigned int samples_for(float length) {
    return std::clamp(static_cast<unsigned int>(std::ceil(length)) * kMaskSamples, 1u, kMostSamples);
}

float unit(float value) { return value > 0 ? std::min(value, 1.f) : 0.f; }

void give(NvDsInferInstanceMaskInfo& object, float* values, unsigned int width, unsigned int height) {
    object.mask = values;
    object.mask_width = width;
    object.mask_height = height;
    object.mask_size = static_cast<unsigned int>(sizeof(float)) * width * height;
}

void give_mask(NvDsInferInstanceMaskInfo& object, const Tensor& masks, std::size_t row, const Box& whole, const Box& box,
               const NvDsInferNetworkInfo& network) {
    const unsigned int height = masks.dims[1], width = masks.dims[2];
    const float across = static_cast<float>(width) / static_cast<float>(network.width);
    const float down = static_cast<float>(height) / static_cast<float>(network.height);
    const unsigned int columns = samples_for((box.x2 - box.x1) * across), lines = samples_for((box.y2 - box.y1) * down);
    const auto xs = samples_along(box.x1, box.x2, columns, across, width, whole.x1, whole.x2);
    const auto ys = samples_along(box.y1, box.y2, lines, down, height, whole.y1, whole.y2);
    const std::size_t start = row * height * width;
    auto* values = new float[static_cast<std::size_t>(columns) * lines];
    float* next = values;
    for (const Sample& y : ys) {
        const std::size_t upper = start + y.low * width, lower = start + y.high * width;
        for (const Sample& x : xs) {
            const float top = masks.real(upper + x.low) * (1 - x.share) + masks.real(upper + x.high) * x.share;
            const float bottom = masks.real(lower + x.low) * (1 - x.share) + masks.real(lower + x.high) * x.share;
            *next++ = unit(top * (1 - y.share) + bottom * y.share);
        }
    }
    give(object, values, columns, lines);
}

void give_keypoints(NvDsInferInstanceMaskInfo& object, const Tensor& keypoints, std::size_t row) {
    const unsigned int points = keypoints.dims[1], depth = keypoints.dims[2];
    const std::size_t count = static_cast<std::size_t>(points) * depth;
    auto* values = new float[count];
    for (std::size_t i = 0; i < count; ++i) {
        const float value = keypoints.real(row * count + i);
        values[i] = std::isfinite(value) ? value : 0.f;
    }
    give(object, values, depth, points);
}

void give_rotated(NvDsInferInstanceMaskInfo& object, const Rotated& box) {
    give(object, new float[5]{box.cx, box.cy, box.w, box.h, box.angle}, 5, 1);
}

// What a model has beside its boxes; `ok` is false where that does not fit them.
struct Extras {
    bool ok = true;
    Tensor keypoints, masks;
};

Extras take_extras(const Layers& layers, const Rows& rows) {
    Extras extras;
    if (find(layers, "det_kpts")) extras.keypoints = take(layers, "det_kpts", 3, {FLOAT});
    if (find(layers, "det_masks")) extras.masks = take(layers, "det_masks", 3, {FLOAT});
    extras.ok = (extras.keypoints || !find(layers, "det_kpts")) && (extras.masks || !find(layers, "det_masks"));
    for (const Tensor* tensor : {&extras.keypoints, &extras.masks}) {
        if (*tensor && tensor->dims[0] != rows.scores.dims[0]) {
            complain("det_kpts or det_masks have another number of rows than det_scores");
            extras.ok = false;
        }
    }
    return extras;
}

NvDsInferInstanceMaskInfo object_of(unsigned int label, float score, const Box& box) {
    return {label, box.x1, box.y1, box.x2 - box.x1, box.y2 - box.y1, score, nullptr, 0, 0, 0};
}

}  // namespace

extern "C" bool TrtzooParse(const Layers& layers, const NvDsInferNetworkInfo& network,
                            const NvDsInferParseDetectionParams& params, std::vector<NvDsInferInstanceMaskInfo>& objects) {
    const Rows rows = take_rows(layers);
    if (!rows.count) return true;
    const unsigned int columns = rows.boxes.dims[1];
    const Extras extras = take_extras(layers, rows);
    if (columns != 4 && columns != 5) complain("det_boxes has neither 4 nor 5 columns");
    if (!extras.ok || (columns != 4 && columns != 5)) return true;
    for (std::size_t row = 0; row < rows.count; ++row) {
        unsigned int label = 0;
        float score = 0;
        Rotated rotated{};
        Box whole{}, box{};
        if (!accept(rows, row, params, label, score)) continue;
        if (columns == 5) {
            if (!read_rotated(rows.boxes, row, network, rotated)) continue;
            whole = around(rotated);
        } else {
            const std::size_t at = row * 4;
            whole = {rows.boxes.real(at), rows.boxes.real(at + 1), rows.boxes.real(at + 2), rows.boxes.real(at + 3)};
        }
        if (!clip(whole, network, box)) continue;
        objects.push_back(object_of(label, score, box));
        if (columns == 5) give_rotated(objects.back(), rotated);
        if (extras.keypoints) give_keypoints(objects.back(), extras.keypoints, row);
        if (extras.masks) give_mask(objects.back(), extras.masks, row, whole, box, network);
    }
    return true;
}

#if DS_VERSION_MAJOR >= 9
extern "C" bool TrtzooParseObb(const Layers& layers, const NvDsInferNetworkInfo& network,
                               const NvDsInferParseDetectionParams& params,
                               std::vector<NvDsInferObjectDetectionInfo>& objects) {
    const Rows rows = take_rows(layers);
    if (!rows.count) return true;
    if (rows.boxes.dims[1] != 5) {
        complain("det_boxes has no five columns, so this is no model of rotated boxes");
        return true;
    }
    for (std::size_t row = 0; row < rows.count; ++row) {
        unsigned int label = 0;
        float score = 0;
        Rotated box{};
        if (!accept(rows, row, params, label, score) || !read_rotated(rows.boxes, row, network, box)) continue;
        objects.push_back({label, box.cx - box.w / 2, box.cy - box.h / 2, box.w, box.h, score, box.angle});
    }
    return true;
}
#endif
