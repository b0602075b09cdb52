// Photos: made small on the device, sent with progress.
import { sendFile } from "@lib/api/upload";

const LONGEST_PX = 1_600;
const QUALITY = 0.8;

/** A JPEG as a data URI, small enough to be kept and sent on a bad network. */
export async function shrunk(file: Blob): Promise<string> {
  const image = await createImageBitmap(file);
  const scale = Math.min(1, LONGEST_PX / Math.max(image.width, image.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(image.width * scale);
  canvas.height = Math.round(image.height * scale);
  canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height);
  image.close();
  return canvas.toDataURL("image/jpeg", QUALITY);
}

export function bytesOf(dataUri: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(dataUri.slice(dataUri.indexOf(",") + 1)), (c) => c.charCodeAt(0));
}

/** Raises `ApiProblem`; `onProgress` from 0 to 1. */
export async function putPhoto(rental: string, photo: string, onProgress?: (part: number) => void): Promise<void> {
  await sendFile(`/api/v1/rentals/${rental}/photo`, { method: "PUT", body: bytesOf(photo), type: "image/jpeg", onProgress });
}
