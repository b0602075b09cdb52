// Reads codes from a picture: with the browser's own detector where there is one, else jsQR.
type Detector = { detect: (source: CanvasImageSource) => Promise<{ rawValue: string }[]> };
declare const BarcodeDetector: { new (options: { formats: string[] }): Detector; getSupportedFormats: () => Promise<string[]> } | undefined;

export type Read = (video: HTMLVideoElement) => Promise<string | null>;

async function native(): Promise<Read | null> {
  if (typeof BarcodeDetector === "undefined") return null;
  const formats = await BarcodeDetector.getSupportedFormats().catch(() => [] as string[]);
  if (!formats.includes("qr_code")) return null;
  const detector = new BarcodeDetector({ formats: ["qr_code"] });
  return async (video) => (await detector.detect(video))[0]?.rawValue ?? null;
}

const LONGEST_PX = 640;

export async function reader(): Promise<Read> {
  const own = await native();
  if (own) return own;
  const { default: jsQR } = await import("jsqr");
  const canvas = document.createElement("canvas");
  const pen = canvas.getContext("2d", { willReadFrequently: true })!;
  return async (video) => {
    const scale = Math.min(1, LONGEST_PX / Math.max(video.videoWidth, video.videoHeight));
    canvas.width = video.videoWidth * scale;
    canvas.height = video.videoHeight * scale;
    if (!canvas.width) return null;
    pen.drawImage(video, 0, 0, canvas.width, canvas.height);
    const { data, width, height } = pen.getImageData(0, 0, canvas.width, canvas.height);
    return jsQR(data, width, height)?.data ?? null;
  };
}
