// Loads the parser as nvinfer does, gives it the layers of each case of a file, and writes down the objects.
//
//     driver LIBRARY FUNCTION CASES OBJECTS
//
// CASES: for each case network width, height, classes, a threshold for each; layers: name, type, dims, elements, bytes.
// Every buffer is as long as the file says and not a byte longer, so that AddressSanitizer sees a read past its end.
// OBJECTS: for each case returned, count; for each object class, left, top, width, height, score, rotation, mask width,
// height, bytes, values.

#include <dlfcn.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "nvdsinfer_abi.h"

namespace {

template <typename T>
T get(FILE* file) {
    T value{};
    if (std::fread(&value, sizeof value, 1, file) != 1) std::exit(3);
    return value;
}

template <typename T>
void put(FILE* file, T value) {
    if (std::fwrite(&value, sizeof value, 1, file) != 1) std::exit(4);
}

std::string text(FILE* file) {
    std::string value(get<std::int32_t>(file), '\0');
    if (!value.empty() && std::fread(&value[0], value.size(), 1, file) != 1) std::exit(3);
    return value;
}

struct Case {
    NvDsInferNetworkInfo network{};
    NvDsInferParseDetectionParams params{};
    std::vector<std::string> names;
    std::vector<std::unique_ptr<char[]>> buffers;
    std::vector<NvDsInferLayerInfo> layers;
};

void read(FILE* file, Case& one) {
    one.network = {get<std::uint32_t>(file), get<std::uint32_t>(file), 3};
    one.params.numClassesConfigured = get<std::uint32_t>(file);
    for (auto count = one.params.numClassesConfigured; count--;) one.params.perClassPreclusterThreshold.push_back(get<float>(file));
    const auto count = get<std::int32_t>(file);
    for (int i = 0; i < count; ++i) {
        one.names.push_back(text(file));
        NvDsInferLayerInfo layer{};
        layer.dataType = static_cast<NvDsInferDataType>(get<std::int32_t>(file));
        layer.inferDims.numDims = get<std::uint32_t>(file);
        for (unsigned int d = 0; d < layer.inferDims.numDims; ++d) layer.inferDims.d[d] = get<std::uint32_t>(file);
        layer.inferDims.numElements = get<std::uint32_t>(file);
        const auto bytes = get<std::int32_t>(file);
        one.buffers.emplace_back(bytes < 0 ? nullptr : new char[static_cast<std::size_t>(bytes)]);
        if (bytes > 0 && std::fread(one.buffers.back().get(), static_cast<std::size_t>(bytes), 1, file) != 1) std::exit(3);
        layer.buffer = one.buffers.back().get();
        one.layers.push_back(layer);
    }
    for (int i = 0; i < count; ++i) one.layers[i].layerName = one.names[i].c_str();
}

void write(FILE* file, const NvDsInferInstanceMaskInfo& o) {
    put<std::int32_t>(file, static_cast<std::int32_t>(o.classId));
    for (float value : {o.left, o.top, o.width, o.height, o.detectionConfidence, 0.f}) put(file, value);
    put(file, o.mask_width);
    put(file, o.mask_height);
    put(file, o.mask_size);
    if (o.mask) std::fwrite(o.mask, o.mask_size, 1, file);
    delete[] o.mask;
}

void write(FILE* file, const NvDsInferObjectDetectionInfo& o) {
    put<std::int32_t>(file, static_cast<std::int32_t>(o.classId));
    float rotation = 0;
#if DS_VERSION_MAJOR >= 9
    rotation = o.rotation_angle;
#endif
    for (float value : {o.left, o.top, o.width, o.height, o.detectionConfidence, rotation}) put(file, value);
    for (int i = 0; i < 3; ++i) put<std::uint32_t>(file, 0);
}

template <typename Object>
void run(void* function, const Case& one, FILE* file) {
    using Parse = bool (*)(const std::vector<NvDsInferLayerInfo>&, const NvDsInferNetworkInfo&,
                           const NvDsInferParseDetectionParams&, std::vector<Object>&);
    std::vector<Object> objects;
    put<std::int32_t>(file, reinterpret_cast<Parse>(function)(one.layers, one.network, one.params, objects));
    put<std::int32_t>(file, static_cast<std::int32_t>(objects.size()));
    for (const auto& object : objects) write(file, object);
}

}  // namespace

int main(int, char** arguments) {
    void* library = dlopen(arguments[1], RTLD_NOW);
    void* function = library ? dlsym(library, arguments[2]) : nullptr;
    if (!function) {
        std::fprintf(stderr, "%s\n", dlerror());
        return 2;
    }
    FILE *in = std::fopen(arguments[3], "rb"), *out = std::fopen(arguments[4], "wb");
    const bool masks = std::string(arguments[2]) == "TrtzooParse";
    for (auto cases = get<std::int32_t>(in); cases--;) {
        Case one;
        read(in, one);
        if (masks) {
            run<NvDsInferInstanceMaskInfo>(function, one, out);
        } else {
            run<NvDsInferObjectDetectionInfo>(function, one, out);
        }
    }
    std::fclose(out);
    return 0;
}
