// What is said before anybody has signed in: in all languages at once, because it is less than what
// a bad network takes to fetch one of them.
import { text, type Dictionary, type KeysOf, type Language } from "@lib/i18n";
import type { Shared } from "@lib/texts/shared";

const de = {
  hello: {
    language: "Welche Sprache?", next: "Weiter", skip: "Überspringen", start: "Los geht’s", step: "Schritt {{n}} von {{of}}",
    termsTitle: "Bevor es losgeht", terms: "Ich habe die Bedingungen und die Hinweise zum Datenschutz gelesen und bin mindestens 18 Jahre alt.",
    termsText: "Fahren darf, wer 18 ist und sich an die Verkehrsregeln hält. Wo du bist, braucht die App nur, um Fahrzeuge in deiner Nähe zu zeigen; gespeichert wird es nicht. Der Weg des Fahrzeugs während der Fahrt gehört zu deiner Quittung.",
    readTerms: "Bedingungen lesen", readPrivacy: "Datenschutz lesen",
    findTitle: "Finden", findText: "Karte oder Liste zeigt, was in der Nähe steht: mit Akku, Reichweite und Preis.",
    scanTitle: "Entsperren", scanText: "Code am Lenker scannen oder eintippen. Bezahlt wird erst, wenn das Fahrzeug offen ist.",
    rideTitle: "Fahren", rideText: "Kosten, Zeit und Zonen immer im Blick. Helm auf, nie zu zweit, nie nach Alkohol.",
    endTitle: "Beenden", endText: "Wo Parken erlaubt ist, abstellen, Foto machen, beenden. Die App sagt ausdrücklich, dass die Fahrt zu Ende ist.",
  },
  door: { title: "Willkommen", subtitle: "In einer Minute unterwegs.", noAccount: "Noch kein Konto?", register: "Konto anlegen", haveAccount: "Schon ein Konto?", firstName: "Vorname", lastName: "Nachname", passwordHint: "Mindestens 10 Zeichen", create: "Konto anlegen", emailOnly: "E-Mail", show: "Passwort zeigen", hide: "Passwort verbergen" },
};
const en: typeof de = {
  hello: {
    language: "Which language?", next: "Next", skip: "Skip", start: "Let’s go", step: "Step {{n}} of {{of}}",
    termsTitle: "Before you start", terms: "I have read the terms and the privacy notice and am at least 18 years old.",
    termsText: "You may ride if you are 18 and follow the rules of the road. The app needs your position only to show vehicles near you; it is not stored. The vehicle’s way during a ride is part of your receipt.",
    readTerms: "Read the terms", readPrivacy: "Read the privacy notice",
    findTitle: "Find", findText: "Map or list shows what stands nearby: with battery, range and price.",
    scanTitle: "Unlock", scanText: "Scan the code on the handlebar or type it. You pay only once the vehicle is open.",
    rideTitle: "Ride", rideText: "Cost, time and zones always in view. Wear a helmet, never two on one, never after a drink.",
    endTitle: "End", endText: "Park where it is allowed, take a photo, end. The app says clearly that your ride is over.",
  },
  door: { title: "Welcome", subtitle: "On your way within a minute.", noAccount: "No account yet?", register: "Create an account", haveAccount: "Already have an account?", firstName: "First name", lastName: "Last name", passwordHint: "At least 10 characters", create: "Create account", emailOnly: "E-mail", show: "Show the password", hide: "Hide the password" },
};
const fr: typeof de = {
  hello: {
    language: "Quelle langue ?", next: "Suivant", skip: "Passer", start: "C’est parti", step: "Étape {{n}} sur {{of}}",
    termsTitle: "Avant de partir", terms: "J’ai lu les conditions d’utilisation et la politique de confidentialité, et j’ai au moins 18 ans.",
    termsText: "Il faut avoir 18 ans et respecter le code de la route. L’appli n’utilise votre position que pour montrer les véhicules à proximité ; elle n’est pas enregistrée. Le parcours du véhicule pendant le trajet fait partie de votre reçu.",
    readTerms: "Lire les conditions", readPrivacy: "Lire la politique de confidentialité",
    findTitle: "Trouver", findText: "La carte ou la liste montre les véhicules à proximité : batterie, autonomie et prix.",
    scanTitle: "Déverrouiller", scanText: "Scannez ou saisissez le code du guidon. Vous ne payez qu’une fois le véhicule déverrouillé.",
    rideTitle: "Se déplacer", rideText: "Coût, durée et zones toujours visibles. Portez un casque, jamais à deux, jamais après avoir bu.",
    endTitle: "Terminer", endText: "Garez-vous là où c’est autorisé, prenez une photo, terminez. L’appli confirme clairement la fin du trajet.",
  },
  door: { title: "Bienvenue", subtitle: "En route en une minute.", noAccount: "Pas encore de compte ?", register: "Créer un compte", haveAccount: "Déjà un compte ?", firstName: "Prénom", lastName: "Nom", passwordHint: "Au moins 10 caractères", create: "Créer le compte", emailOnly: "E-mail", show: "Afficher le mot de passe", hide: "Masquer le mot de passe" },
};
const es: typeof de = {
  hello: {
    language: "¿Qué idioma?", next: "Siguiente", skip: "Omitir", start: "¡Vamos!", step: "Paso {{n}} de {{of}}",
    termsTitle: "Antes de empezar", terms: "He leído las condiciones de uso y la política de privacidad, y tengo al menos 18 años.",
    termsText: "Puedes viajar si tienes 18 años y cumples las normas de tráfico. La app usa tu ubicación solo para mostrarte vehículos cercanos; no se guarda. El recorrido del vehículo durante el viaje forma parte de tu recibo.",
    readTerms: "Leer las condiciones", readPrivacy: "Leer la política de privacidad",
    findTitle: "Encontrar", findText: "El mapa o la lista muestran lo que hay cerca: batería, autonomía y precio.",
    scanTitle: "Desbloquear", scanText: "Escanea o escribe el código del manillar. Solo pagas cuando el vehículo se ha desbloqueado.",
    rideTitle: "Viajar", rideText: "Coste, tiempo y zonas siempre a la vista. Ponte el casco; nunca dos a la vez, nunca después de beber.",
    endTitle: "Terminar", endText: "Aparca donde esté permitido, haz una foto y termina. La app confirma claramente el final del viaje.",
  },
  door: { title: "Te damos la bienvenida", subtitle: "En marcha en un minuto.", noAccount: "¿Aún no tienes cuenta?", register: "Crear una cuenta", haveAccount: "¿Ya tienes cuenta?", firstName: "Nombre", lastName: "Apellido", passwordHint: "Al menos 10 caracteres", create: "Crear cuenta", emailOnly: "Correo electrónico", show: "Mostrar la contraseña", hide: "Ocultar la contraseña" },
};

export const doorTexts = { de, en, fr, es } satisfies Record<Language, Dictionary>;
export type DoorKey = KeysOf<typeof de> | KeysOf<Shared>;
export const say: (key: DoorKey, values?: Record<string, string | number>) => string = text;
